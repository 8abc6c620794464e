// Lanes on AVX2: vectors of 256 bits and their transpositions, as lanes_avx512.h. Only for functions that run after
// chacha_poly_supported() said yes.
#pragma once

#define CULVERT_LANES_TARGET "avx2"
#define CULVERT_LANES_NAMESPACE avx2

#include <bit>
#include <type_traits>

#include "dataplane/crypto/lanes.h"
#include "dataplane/crypto/wipe.h"

namespace culvert::aead::lanes::avx2 {

/// 32-bit words, one of each lane's block.
using Words = __m256i;
/// Blocks of one vector.
constexpr size_t kVectorBlocks = 8;
/// The 16 words of one vector use every register.
constexpr size_t kVectors = 1;
/// Quarter rounds side by side: the words of two leave registers for what is on the way.
constexpr int kBeside = 2;

CULVERT_LANES_INLINE __m256i load256(const void* bytes) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(bytes));
}

/// Two 128-bit rows in one register.
CULVERT_LANES_INLINE __m256i two(const void* a, const void* b) {
  return _mm256_loadu2_m128i(static_cast<const __m128i*>(b), static_cast<const __m128i*>(a));
}

/// Transposes 4 × 4 words of 32 bits in each half: what was word k of row j becomes word j of row k.
CULVERT_LANES_INLINE void transpose_halves(__m256i& a, __m256i& b, __m256i& c, __m256i& d) {
  __m256i ab_low = _mm256_unpacklo_epi32(a, b), ab_high = _mm256_unpackhi_epi32(a, b);
  __m256i cd_low = _mm256_unpacklo_epi32(c, d), cd_high = _mm256_unpackhi_epi32(c, d);
  a = _mm256_unpacklo_epi64(ab_low, cd_low);
  b = _mm256_unpackhi_epi64(ab_low, cd_low);
  c = _mm256_unpacklo_epi64(ab_high, cd_high);
  d = _mm256_unpackhi_epi64(ab_high, cd_high);
}

/// Transposes 4 × 4 words of 64 bits.
CULVERT_LANES_INLINE void transpose_64(__m256i (&rows)[4]) {
  __m256i low01 = _mm256_unpacklo_epi64(rows[0], rows[1]), high01 = _mm256_unpackhi_epi64(rows[0], rows[1]);
  __m256i low23 = _mm256_unpacklo_epi64(rows[2], rows[3]), high23 = _mm256_unpackhi_epi64(rows[2], rows[3]);
  rows[0] = _mm256_permute2x128_si256(low01, low23, 0x20);
  rows[1] = _mm256_permute2x128_si256(high01, high23, 0x20);
  rows[2] = _mm256_permute2x128_si256(low01, low23, 0x31);
  rows[3] = _mm256_permute2x128_si256(high01, high23, 0x31);
}

/// As wipe(), for whole vectors at an aligned place.
CULVERT_LANES_INLINE void wipe_vectors(void* memory, size_t size) {
  auto* end = static_cast<__m256i*>(memory) + size / sizeof(__m256i);
  for (auto* at = static_cast<__m256i*>(memory); at != end; ++at) {
    _mm256_store_si256(at, _mm256_setzero_si256());
    // Else the compiler makes it `rep stos`, which takes longer to start than this takes.
    __asm__ __volatile__("" : : "r"(at) : "memory");
  }
}

CULVERT_LANES_INLINE Words sum(Words a, Words b) {
  return _mm256_add_epi32(a, b);
}
CULVERT_LANES_INLINE Words every_lane(uint32_t word) {
  return _mm256_set1_epi32(static_cast<int>(word));
}
CULVERT_LANES_INLINE Words lane_numbers() {
  return _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
}

template <int kBits>
CULVERT_LANES_INLINE __m256i rotated_left(__m256i words) {
  if constexpr (kBits == 16)
    return _mm256_shuffle_epi8(
        words, _mm256_broadcastsi128_si256(_mm_set_epi8(13, 12, 15, 14, 9, 8, 11, 10, 5, 4, 7, 6, 1, 0, 3, 2)));
  if constexpr (kBits == 8)
    return _mm256_shuffle_epi8(
        words, _mm256_broadcastsi128_si256(_mm_set_epi8(14, 13, 12, 15, 10, 9, 8, 11, 6, 5, 4, 7, 2, 1, 0, 3)));
  return _mm256_or_si256(_mm256_slli_epi32(words, kBits), _mm256_srli_epi32(words, 32 - kBits));
}

template <int kBits>
CULVERT_LANES_INLINE void add_xor_rotate(Words& sum, Words addend, Words& rotated) {
  sum = _mm256_add_epi32(sum, addend);
  rotated = rotated_left<kBits>(_mm256_xor_si256(rotated, sum));
  __asm__ __volatile__("" : "+x"(sum), "+x"(rotated));  // keeps the compiler from reordering: see kBeside
}

/// Four words of 8 blocks, from 16 bytes per block that `row` points to.
template <class Row>
CULVERT_LANES_INLINE void gather(Words* words, Row row) {
  __m256i in[4];
  CULVERT_LANES_UNROLL
  for (size_t i = 0; i < 4; ++i) in[i] = two(row(i), row(i + 4));
  transpose_halves(in[0], in[1], in[2], in[3]);
  CULVERT_LANES_UNROLL
  for (size_t i = 0; i < 4; ++i) words[i] = in[i];
}

/// 64 bytes of key stream.
struct BlockStream {
  __m256i half[2];
};

CULVERT_LANES_INLINE BlockStream key_stream(const uint8_t* bytes) {
  return {{load256(bytes), load256(bytes + 32)}};
}

CULVERT_LANES_INLINE void exclusive_or(uint8_t* text, const BlockStream& stream) {
  CULVERT_LANES_UNROLL
  for (int i = 0; i < 2; ++i) {
    auto* at = reinterpret_cast<__m256i*>(text + 32 * i);
    _mm256_storeu_si256(at, _mm256_xor_si256(_mm256_loadu_si256(at), stream.half[i]));
  }
}
/// XORs the bytes of a block that exist with key stream.
CULVERT_LANES_INLINE void exclusive_or(uint8_t* text, const BlockStream& stream, uint64_t present) {
  if (present == ~uint64_t{0}) return exclusive_or(text, stream);
  // AVX2 can't leave out single bytes: by way of a whole block elsewhere.
  alignas(32) uint8_t block[64];
  auto size = static_cast<size_t>(std::countr_one(present));
  std::memcpy(block, text, size);
  exclusive_or(block, stream);
  std::memcpy(text, block, size);
  wipe(block);
}

/// Puts 8 blocks of key stream that stand word by word together: `apply(block, stream)` for each.
template <class Apply>
CULVERT_LANES_INLINE void each_block(Words (&words)[16], const Apply& apply) {
  CULVERT_LANES_UNROLL
  for (int i = 0; i < 16; i += 4) transpose_halves(words[i], words[i + 1], words[i + 2], words[i + 3]);
  CULVERT_LANES_UNROLL
  for (int i = 0; i < 4; ++i) {
    auto put_together = [&](auto halves) CULVERT_LANES_LAMBDA {
      return BlockStream{_mm256_permute2x128_si256(words[i], words[i + 4], halves),
                         _mm256_permute2x128_si256(words[i + 8], words[i + 12], halves)};
    };
    apply(static_cast<size_t>(i), put_together(std::integral_constant<int, 0x20>()));
    apply(static_cast<size_t>(i + 4), put_together(std::integral_constant<int, 0x31>()));
  }
}

}  // namespace culvert::aead::lanes::avx2
