#include "drivers/offload/sum.h"

#include <immintrin.h>

#include <array>
#include <cstring>

#include "dataplane/wire/checksum.h"

namespace culvert::drivers::offload {
namespace {

#define CULVERT_AVX2 __attribute__((target("avx2")))

// Words are added in the machine's own order, four bytes at a time into 64-bit lanes, which can't overflow below 64
// KiB; the sum is swapped at the end (RFC 1071, section 2).

uint32_t fold(uint64_t total) {
  total = (total & 0xFFFF'FFFF) + (total >> 32);
  total = (total & 0xFFFF'FFFF) + (total >> 32);
  auto sum = static_cast<uint32_t>((total & 0xFFFF) + (total >> 16));
  return __builtin_bswap16(wire::fold_checksum(sum));
}

/// Up to eight bytes, as the sum counts them.
uint64_t add_word(uint64_t total, const uint8_t* from, size_t size) {
  uint64_t word = 0;
  std::memcpy(&word, from, size);
  return total + (word & 0xFFFF'FFFF) + (word >> 32);
}

/// What is left behind the vectors, and everything on machines without them. `to` null: nothing is copied.
uint64_t finish(uint64_t total, uint8_t* to, const uint8_t* from, size_t size) {
  if (to != nullptr) std::memcpy(to, from, size);
  for (; size >= 8; from += 8, size -= 8) total = add_word(total, from, 8);
  return size > 0 ? add_word(total, from, size) : total;
}

template <bool kCopy>
CULVERT_AVX2 uint32_t run_avx2(uint8_t* to, const uint8_t* from, size_t size) {
  const __m256i low = _mm256_set1_epi64x(0xFFFF'FFFF);
  __m256i even = _mm256_setzero_si256();
  __m256i odd = _mm256_setzero_si256();
  for (; size >= sizeof(__m256i); from += sizeof(__m256i), size -= sizeof(__m256i)) {
    __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    if constexpr (kCopy) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), bytes);
      to += sizeof(__m256i);
    }
    even = _mm256_add_epi64(even, _mm256_and_si256(bytes, low));
    odd = _mm256_add_epi64(odd, _mm256_srli_epi64(bytes, 32));
  }
  alignas(32) std::array<uint64_t, 4> lanes;
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes.data()), _mm256_add_epi64(even, odd));
  return fold(finish(lanes[0] + lanes[1] + lanes[2] + lanes[3], kCopy ? to : nullptr, from, size));
}

const bool kHasAvx2 = __builtin_cpu_supports("avx2");

}  // namespace

uint32_t sum_of(std::span<const uint8_t> bytes) {
  if (kHasAvx2) return run_avx2<false>(nullptr, bytes.data(), bytes.size());
  return fold(finish(0, nullptr, bytes.data(), bytes.size()));
}

uint32_t copy_and_sum(uint8_t* to, std::span<const uint8_t> from) {
  if (kHasAvx2) return run_avx2<true>(to, from.data(), from.size());
  return fold(finish(0, to, from.data(), from.size()));
}

}  // namespace culvert::drivers::offload
