// Ethernet header (IEEE 802.3, 802.1Q).
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/wire/byte_order.h"

namespace culvert::wire {

using MacAddress = std::array<uint8_t, 6>;

inline constexpr uint16_t kEtherIpv4 = 0x0800;
inline constexpr uint16_t kEtherIpv6 = 0x86DD;

struct EthernetHeader {
  MacAddress destination;
  MacAddress source;
  be16 type;
};
static_assert(sizeof(EthernetHeader) == 14 && alignof(EthernetHeader) == 1);

/// True for multicast and broadcast.
constexpr bool is_group(const MacAddress& address) {
  return (address[0] & 1) != 0;
}

}  // namespace culvert::wire
