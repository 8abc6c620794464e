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
  /// Whole IPv4 without options, below multicast and not link-local; Packet is filled in when it is.
  static bool is_usual(Packet& packet) {
    constexpr uint8_t kWithoutOptions = 0x45;
    constexpr uint32_t kMulticast = 0xE0000000, kLinkLocal = 0xA9FE;
    if (packet.length < sizeof(wire::Ipv4Header)) return false;
    const auto& ip = *reinterpret_cast<const wire::Ipv4Header*>(packet.data);
    uint32_t to = std::bit_cast<wire::be32>(ip.destination).get();
    if (ip.version_and_words != kWithoutOptions || ip.total_length.get() != packet.length) return false;
    if (to >= kMulticast || to >> 16 == kLinkLocal) return false;
    packet.ip_version = 4;
    packet.protocol = ip.protocol;
    packet.ip_header_length = sizeof ip;
    packet.later_fragment = (ip.fragment.get() & wire::kFragmentOffsetMask) != 0;
    return true;
  }
  static Verdict any(Packet& packet);
};
inline constexpr CheckInner check_inner;

}  // namespace culvert::steps
