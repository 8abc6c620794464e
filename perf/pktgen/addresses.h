// Who stands where on the two wires of the generator. All IPv4; a number is an address in host byte order.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace culvert::pktgen {

using Ip4 = std::array<uint8_t, 4>;  ///< network byte order

constexpr uint32_t to_number(const Ip4& ip) {
  return uint32_t{ip[0]} << 24 | uint32_t{ip[1]} << 16 | uint32_t{ip[2]} << 8 | ip[3];
}
constexpr Ip4 to_ip4(uint32_t number) {
  return {static_cast<uint8_t>(number >> 24), static_cast<uint8_t>(number >> 16), static_cast<uint8_t>(number >> 8),
          static_cast<uint8_t>(number)};
}

/// An outer address and port of a client.
struct OuterEnd {
  uint32_t address;
  uint16_t port;

  friend bool operator==(const OuterEnd&, const OuterEnd&) = default;
};

/// The clients' outer ends: client i has the address `first` + i % addresses, and the port kFirstPort + i / addresses,
/// so that a received packet's destination is its client without a look-up.
struct ClientGrid {
  static constexpr uint16_t kFirstPort = 20000;

  uint32_t first;      ///< address of client 0
  uint32_t addresses;  ///< at least 1
  uint32_t clients;

  OuterEnd end_of(uint32_t client) const {
    return {first + client % addresses, static_cast<uint16_t>(kFirstPort + client / addresses)};
  }
  /// Nothing when nobody lives there.
  std::optional<uint32_t> client_at(const OuterEnd& end) const {
    if (end.address < first || end.address - first >= addresses || end.port < kFirstPort) return std::nullopt;
    uint32_t client = (end.port - uint32_t{kFirstPort}) * addresses + (end.address - first);
    return client < clients ? std::optional(client) : std::nullopt;
  }
};

}  // namespace culvert::pktgen
