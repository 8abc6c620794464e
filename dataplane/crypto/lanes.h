// What the kernels that put one block or one packet in each lane of a vector share, whatever the vectors' width.
// lanes_avx512.h and lanes_avx2.h say what a file is compiled for: CULVERT_LANES_TARGET, CULVERT_LANES_NAMESPACE.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

// Function by function, so that the rest of the program runs on CPUs without these instructions. What several widths
// are made of stands in a namespace of each, because it is compiled for each.
#define CULVERT_LANES __attribute__((target(CULVERT_LANES_TARGET)))
#define CULVERT_LANES_INLINE CULVERT_LANES inline __attribute__((always_inline))
#define CULVERT_LANES_LAMBDA __attribute__((target(CULVERT_LANES_TARGET), always_inline))
// Vectors live in arrays that must become registers, at every optimisation level that optimises.
#define CULVERT_LANES_UNROLL _Pragma("GCC unroll 16")

#if !defined(__clang__)
// GCC 12 takes the undefined vectors inside its own intrinsics for ours (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

namespace culvert::aead::lanes {

/// How far ahead of its use text is fetched, in bytes.
constexpr uint32_t kAhead = 512;

/// Blocks of one packet that fill a vector: as many as it has lanes, all of them whole, one behind the other.
struct WholeBlocks {
  __m128i row;         ///< of the first block, as MixedBlocks::row
  const uint8_t* key;  ///< 32 bytes
  uint8_t* text;       ///< in place
};

inline uint32_t load32(const uint8_t* bytes) {
  uint32_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

}  // namespace culvert::aead::lanes
