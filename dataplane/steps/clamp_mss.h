// Lowers the MSS of TCP SYNs to what fits the session's outer packets.
#pragma once

#include "dataplane/steps/step.h"
#include "dataplane/wire/tcp.h"

namespace culvert::steps {

struct ClampMss {
  static constexpr StepName kName{"clamp_mss"};

  Verdict operator()(Packet& packet, PathContext& context) const {
    if (packet.protocol != wire::kProtocolTcp || packet.later_fragment) return Verdict::go_on();
    const session::Where& session = packet.session->where;
    uint16_t limit = packet.ip_version == 4 ? session.mss_ip4 : session.mss_ip6;
    if (limit != 0 && wire::clamp_mss(packet.bytes().subspan(packet.ip_header_length), limit))
      context.tally.add(abi::Counter::mss_clamped);
    return Verdict::go_on();
  }
};
inline constexpr ClampMss clamp_mss;

}  // namespace culvert::steps
