// An outer address: where a peer is, or where we listen. Fixed size, no pointers: it travels through shared memory.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <type_traits>

namespace culvert::abi {

enum class Family : uint8_t { kNone = 0, kIpv4 = 4, kIpv6 = 6 };
enum class Transport : uint8_t { kUdp = 1, kTcp = 2 };

/// An IP address of either family. IPv4 uses the first four bytes, the rest is zero. Network byte order.
struct IpAddress {
  std::array<uint8_t, 16> bytes{};
  Family family = Family::kNone;

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
};

/// Address and port of one end of an outer flow. `port` is in host byte order.
/// `stream` tells TCP connections of one dataplane apart (never reused within its life); 0 for UDP.
struct Endpoint {
  IpAddress address{};
  Transport transport = Transport::kUdp;
  uint16_t port = 0;
  uint32_t scope_id = 0;  ///< interface index of an IPv6 link-local address, else 0
  uint64_t stream = 0;

  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

static_assert(std::is_trivially_copyable_v<Endpoint> && sizeof(Endpoint) == 32);

}  // namespace culvert::abi
