// Arguments of directives as values; each function reports what is wrong and returns nothing then.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "control/config/draft.h"

namespace culvert::config {

/// Argument `index` (from 0) as a number from `least` to `most`.
std::optional<uint32_t> number_argument(Draft& draft, const Statement& statement, size_t index, uint32_t least,
                                        uint32_t most);

/// Argument `index` as a number of up to 63 bits.
std::optional<uint64_t> large_number_argument(Draft& draft, const Statement& statement, size_t index);

/// What fits into one packet buffer of the dataplane with the outer headers, and the least that IPv4 asks of every
/// link.
inline constexpr uint32_t kLargestTunMtu = 9000;
inline constexpr uint32_t kSmallestTunMtu = 576;

using Ip4 = std::array<uint8_t, 4>;
using Ip6 = std::array<uint8_t, 16>;

std::optional<Ip4> ip4_argument(Draft& draft, const Statement& statement, size_t index);
std::optional<Ip6> ip6_argument(Draft& draft, const Statement& statement, size_t index);
/// A netmask such as 255.255.255.0, as its prefix length.
std::optional<uint8_t> mask_argument(Draft& draft, const Statement& statement, size_t index);

struct Prefix6 {
  Ip6 address{};
  uint8_t length = 0;
};
/// "fd00::/64", with a length from `least` to `most`.
std::optional<Prefix6> prefix6_argument(Draft& draft, const Statement& statement, size_t index, uint32_t least,
                                        uint32_t most);

/// The same without a report, for arguments that were looked at before.
std::optional<Ip4> parse_ip4(const std::string& text);
std::optional<uint8_t> parse_mask(const std::string& text);
std::optional<Prefix6> parse_prefix6(const std::string& text);

/// The whole text as a decimal number; nothing when it is anything else or larger than 32 bits.
std::optional<uint32_t> to_number(std::string_view text);

constexpr uint32_t to_u32(const Ip4& ip) {
  return uint32_t{ip[0]} << 24 | uint32_t{ip[1]} << 16 | uint32_t{ip[2]} << 8 | uint32_t{ip[3]};
}
constexpr Ip4 to_ip4(uint32_t value) {
  return {static_cast<uint8_t>(value >> 24), static_cast<uint8_t>(value >> 16), static_cast<uint8_t>(value >> 8),
          static_cast<uint8_t>(value)};
}
constexpr uint32_t mask_of(uint8_t prefix) {
  return prefix == 0 ? 0 : ~uint32_t{0} << (32 - prefix);
}
/// The address with all bits behind the prefix zero.
Ip6 network_of(const Ip6& address, uint8_t prefix);
/// address + n (128-bit, wrapping).
Ip6 add(const Ip6& address, uint32_t n);

std::string to_text(const Ip4& ip);
std::string to_text(const Ip6& ip);

}  // namespace culvert::config
