#include "dataplane/steps/steps.h"

namespace culvert::steps {

void check_source(Burst& burst, PathContext& context) {
  burst.each([&](Packet& packet) {
    const wire::IpView& ip = packet.ip;
    // Its own address is a host route to it, so nothing longer can lead elsewhere; prefixes behind it need the look-up.
    if (packet.session->has_address(ip.version, ip.source)) [[likely]]
      return Verdict::go_on();
    if (context.table->route(ip.version, ip.source) == packet.session) return Verdict::go_on();
    return Verdict::drop(abi::DropReason::inner_source_not_allowed);
  });
}

}  // namespace culvert::steps
