// How many unfinished handshakes a network has. A network is an IPv4 /32 or an IPv6 /48, the most that one site gets
// (RFC 6177): who has a thousand /64 must not count as a thousand.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>

#include "dataplane/abi/endpoint.h"

namespace culvert::openvpn {

/// Bounded by the number of sessions: each is added once, and removed.
class HalfOpen {
 public:
  void add(const abi::IpAddress& source);
  /// One that was added.
  void remove(const abi::IpAddress& source);
  /// Of the network of `source`.
  size_t count(const abi::IpAddress& source) const;

 private:
  using Network = std::array<uint8_t, 7>;  // family, then as much of the address
  static Network network_of(const abi::IpAddress& source);

  std::map<Network, size_t> counts_;
};

}  // namespace culvert::openvpn
