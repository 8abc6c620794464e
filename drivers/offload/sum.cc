#include "drivers/offload/sum.h"

#include <immintrin.h>

#include <array>
#include <cstring>
#include <vector>

#include "dataplane/wire/checksum.h"

#if !defined(__clang__)
// GCC 12 takes the undefined vectors inside its own intrinsics for ours (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

namespace culvert::drivers::offload {
namespace {

#define CULVERT_AVX2 __attribute__((target("avx2")))
#define CULVERT_AVX512 __attribute__((target("avx512f,avx512bw")))

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
uint32_t run_plain(uint8_t* to, const uint8_t* from, size_t size) {
  return fold(finish(0, kCopy ? to : nullptr, from, size));
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

/// Whatever is left behind whole vectors is one more with a mask: for a header that is all of it.
template <bool kCopy>
CULVERT_AVX512 uint32_t run_avx512(uint8_t* to, const uint8_t* from, size_t size) {
  const __m512i low = _mm512_set1_epi64(0xFFFF'FFFF);
  __m512i even = _mm512_setzero_si512();
  __m512i odd = _mm512_setzero_si512();
  for (; size >= sizeof(__m512i); from += sizeof(__m512i), size -= sizeof(__m512i)) {
    __m512i bytes = _mm512_loadu_si512(from);
    if constexpr (kCopy) {
      _mm512_storeu_si512(to, bytes);
      to += sizeof(__m512i);
    }
    even = _mm512_add_epi64(even, _mm512_and_si512(bytes, low));
    odd = _mm512_add_epi64(odd, _mm512_srli_epi64(bytes, 32));
  }
  if (size > 0) {
    __mmask64 rest = (uint64_t{1} << size) - 1;
    __m512i bytes = _mm512_maskz_loadu_epi8(rest, from);
    if constexpr (kCopy) _mm512_mask_storeu_epi8(to, rest, bytes);
    even = _mm512_add_epi64(even, _mm512_and_si512(bytes, low));
    odd = _mm512_add_epi64(odd, _mm512_srli_epi64(bytes, 32));
  }
  return fold(static_cast<uint64_t>(_mm512_reduce_add_epi64(_mm512_add_epi64(even, odd))));
}

const SumKernel kBest = sum_kernels().back();

}  // namespace

std::vector<SumKernel> sum_kernels() {
  std::vector<SumKernel> kernels{{"plain", run_plain<false>, run_plain<true>}};
  if (__builtin_cpu_supports("avx2")) kernels.push_back({"AVX2", run_avx2<false>, run_avx2<true>});
  if (__builtin_cpu_supports("avx512bw")) kernels.push_back({"AVX-512", run_avx512<false>, run_avx512<true>});
  return kernels;
}

uint32_t sum_of(std::span<const uint8_t> bytes) {
  return kBest.sum(nullptr, bytes.data(), bytes.size());
}

uint32_t copy_and_sum(uint8_t* to, std::span<const uint8_t> from) {
  return kBest.copy(to, from.data(), from.size());
}

}  // namespace culvert::drivers::offload
