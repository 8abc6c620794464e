#include "dataplane/steps/steps.h"
#include "dataplane/wire/tcp.h"

namespace culvert::steps {

void clamp_mss(Burst& burst, PathContext& context) {
  for (Packet& packet : burst.packets()) {
    const wire::IpView& ip = packet.ip;
    if (ip.protocol != wire::kProtocolTcp || ip.later_fragment) continue;
    const session::Where& session = packet.session->where;
    uint16_t limit = ip.version == 4 ? session.mss_ip4 : session.mss_ip6;
    if (limit != 0 && wire::clamp_mss(packet.bytes().subspan(ip.header_length), limit))
      context.tally.add(abi::Counter::mss_clamped);
  }
}

}  // namespace culvert::steps
