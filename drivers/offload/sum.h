// The Internet checksum's sum over packet payloads, alone or while copying: one pass over the bytes either way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace culvert::drivers::offload {

/// As wire::add_to_checksum: one's complement sum of big-endian 16-bit words, not complemented, folded to 16 bits; an
/// odd last byte counts as the high one. Up to 64 KiB.
uint32_t sum_of(std::span<const uint8_t> bytes);

/// Copies `from` to `to` (not overlapping) and returns sum_of(from).
uint32_t copy_and_sum(uint8_t* to, std::span<const uint8_t> from);

/// The above for one kind of vectors; `sum` copies nothing and ignores `to`.
struct SumKernel {
  using Function = uint32_t (*)(uint8_t* to, const uint8_t* from, size_t size);
  const char* name;
  Function sum;
  Function copy;
};

/// Those that this CPU can run. The last one is used above.
std::vector<SumKernel> sum_kernels();

}  // namespace culvert::drivers::offload
