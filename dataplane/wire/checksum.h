// The Internet checksum: whole (RFC 1071) and corrected for a changed field (RFC 1624, equation 3).
#pragma once

#include <cstdint>
#include <span>

namespace culvert::wire {

constexpr uint16_t fold_checksum(uint32_t sum) {
  sum = (sum & 0xFFFF) + (sum >> 16);
  sum = (sum & 0xFFFF) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

/// One's complement sum of big-endian 16-bit words, not complemented, so that parts can be added; an odd last byte
/// counts as the high one. `sum`: of the parts before, each of even length; together below 64 KiB.
constexpr uint32_t add_to_checksum(std::span<const uint8_t> bytes, uint32_t sum = 0) {
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) sum += uint32_t{bytes[i]} << 8 | bytes[i + 1];
  if (bytes.size() % 2 != 0) sum += uint32_t{bytes.back()} << 8;
  return sum;
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
