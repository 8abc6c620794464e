// The Internet checksum: whole (RFC 1071) and corrected for a changed field (RFC 1624, equation 3).
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>

namespace culvert::wire {

constexpr uint16_t fold_checksum(uint32_t sum) {
  sum = (sum & 0xFFFF) + (sum >> 16);
  sum = (sum & 0xFFFF) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

/// One's complement sum of big-endian 16-bit words, not complemented, so that parts can be added; an odd last byte
/// counts as the high one. `sum`: of the parts before, each of even length; together below 64 KiB.
/// Added in the machine's own order, eight bytes at a time, and swapped at the end (RFC 1071, section 2).
inline uint32_t add_to_checksum(std::span<const uint8_t> bytes, uint32_t sum = 0) {
  static_assert(std::endian::native == std::endian::little);
  uint64_t total = 0;
  auto add = [&](const uint8_t* at, size_t count) {
    uint64_t words = 0;
    std::memcpy(&words, at, count);
    total += (words & 0xFFFF'FFFF) + (words >> 32);
  };
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) add(&bytes[at], 8);
  if (at < bytes.size()) add(&bytes[at], bytes.size() - at);
  total = (total & 0xFFFF'FFFF) + (total >> 32);
  total = (total & 0xFFFF'FFFF) + (total >> 32);
  auto folded = static_cast<uint32_t>((total & 0xFFFF) + (total >> 16));
  return sum + __builtin_bswap16(fold_checksum(folded));
}
/// The field's value, in host byte order, for a sum over everything it covers.
constexpr uint16_t finish_checksum(uint32_t sum) {
  return static_cast<uint16_t>(~fold_checksum(sum));
}

/// `checksum` after one 16-bit word that it covers went from `before` to `after`. All in host byte order.
constexpr uint16_t adjust_checksum(uint16_t checksum, uint16_t before, uint16_t after) {
  uint32_t sum = static_cast<uint16_t>(~checksum);
  sum += static_cast<uint16_t>(~before);
  sum += after;
  return static_cast<uint16_t>(~fold_checksum(sum));
}

}  // namespace culvert::wire
