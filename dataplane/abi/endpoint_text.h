// Addresses as operators write them.
#pragma once

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

#include "dataplane/abi/endpoint.h"

namespace culvert::abi {

/// "192.0.2.1", "2001:db8::1", or "-" for no address.
inline std::string to_text(const IpAddress& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.family == Family::kNone) return "-";
  int family = address.family == Family::kIpv4 ? AF_INET : AF_INET6;
  return inet_ntop(family, address.bytes.data(), text.data(), text.size()) ? text.data() : "-";
}

/// "192.0.2.1:1194", "[2001:db8::1]:1194".
inline std::string to_text(const Endpoint& endpoint) {
  std::string address = to_text(endpoint.address);
  if (endpoint.address.family == Family::kIpv6) address = "[" + address + "]";
  return address + ":" + std::to_string(endpoint.port);
}

/// Reads a numeric address of either family.
inline std::optional<IpAddress> parse_ip(const std::string& text) {
  IpAddress address;
  if (inet_pton(AF_INET, text.c_str(), address.bytes.data()) == 1) {
    address.family = Family::kIpv4;
    return address;
  }
  if (inet_pton(AF_INET6, text.c_str(), address.bytes.data()) == 1) {
    address.family = Family::kIpv6;
    return address;
  }
  return std::nullopt;
}

/// An IPv4 address of `bytes` (network order); family kNone for 0.0.0.0.
inline IpAddress ipv4(const std::array<uint8_t, 4>& bytes) {
  IpAddress address;
  std::copy(bytes.begin(), bytes.end(), address.bytes.begin());
  if (bytes != std::array<uint8_t, 4>{}) address.family = Family::kIpv4;
  return address;
}

/// An IPv6 address of `bytes` (network order); family kNone for ::.
inline IpAddress ipv6(const std::array<uint8_t, 16>& bytes) {
  IpAddress address;
  address.bytes = bytes;
  if (bytes != std::array<uint8_t, 16>{}) address.family = Family::kIpv6;
  return address;
}

}  // namespace culvert::abi
