// A network: address and prefix length, the bits behind the length zero.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>

#include "dataplane/abi/endpoint.h"

namespace culvert::drivers {

struct IpPrefix {
  abi::IpAddress address;
  uint8_t length = 0;

  friend auto operator<=>(const IpPrefix&, const IpPrefix&) = default;
};

constexpr uint8_t address_bits(abi::Family family) {
  return family == abi::Family::kIpv4 ? 32 : 128;
}

/// The network of `length` bits that `address` lies in.
inline IpPrefix make_ip_prefix(abi::IpAddress address, uint8_t length) {
  for (size_t i = 0; i < address.bytes.size(); ++i) {
    size_t first_bit = i * 8;
    if (first_bit >= length) {
      address.bytes[i] = 0;
    } else if (length - first_bit < 8) {
      address.bytes[i] &= static_cast<uint8_t>(0xFF << (8 - (length - first_bit)));
    }
  }
  return {address, length};
}

inline IpPrefix host_prefix(const abi::IpAddress& address) {
  return {address, address_bits(address.family)};
}

inline bool covers(const IpPrefix& prefix, const abi::IpAddress& address) {
  return prefix.address.family == address.family && make_ip_prefix(address, prefix.length) == prefix;
}

}  // namespace culvert::drivers
