// The inner packet must be whole IPv4 or IPv6, to an address that a routed tunnel carries. Fills in what Packet says of
// it.
#pragma once

#include "dataplane/steps/step.h"

namespace culvert::steps {

struct CheckInner {
  static constexpr StepName kName{"check_inner"};

  Verdict operator()(Packet& packet, PathContext& context) const {
    if (!is_usual(packet)) [[unlikely]] {
      if (Verdict verdict = any(packet); !verdict.goes_on()) return verdict;
    }
    packet.route_begun = context.table->routes().begin_find(packet.ip_version, packet.destination());
    return Verdict::go_on();
  }

 private:
  /// Fills Packet in when it is.
  static bool is_usual(Packet& packet) {
    const wire::Ipv4Header* ip = wire::read_usual_ipv4(packet.bytes());
    if (ip == nullptr) return false;
    packet.ip_version = 4;
    packet.protocol = ip->protocol;
    packet.ip_header_length = sizeof *ip;
    packet.later_fragment = (ip->fragment.get() & wire::kFragmentOffsetMask) != 0;
    return true;
  }
  static Verdict any(Packet& packet);
};
inline constexpr CheckInner check_inner;

}  // namespace culvert::steps
