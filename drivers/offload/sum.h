// The Internet checksum's sum over packet payloads, alone or while copying: one pass over the bytes either way.
#pragma once

#include <cstdint>
#include <span>

namespace culvert::drivers::offload {

/// As wire::add_to_checksum: one's complement sum of big-endian 16-bit words, not complemented, folded to 16 bits; an
/// odd last byte counts as the high one. Up to 64 KiB.
uint32_t sum_of(std::span<const uint8_t> bytes);

/// Copies `from` to `to` (not overlapping) and returns sum_of(from).
uint32_t copy_and_sum(uint8_t* to, std::span<const uint8_t> from);

}  // namespace culvert::drivers::offload
