// Lanes on AVX-512 with IFMA: vectors of 512 bits, and the transpositions between "a register holds one packet" and "a
// register holds one word of every packet", which ChaCha20 and Poly1305 share. Only for functions that run after
// chacha_poly_supported() said yes.
#pragma once

#define CULVERT_LANES_TARGET "avx2,avx512f,avx512bw,avx512dq,avx512vl,avx512ifma,bmi2"
#define CULVERT_LANES_NAMESPACE avx512

#include "dataplane/crypto/lanes.h"

namespace culvert::aead::lanes::avx512 {

/// 32-bit words, one of each lane's block.
using Words = __m512i;
/// Blocks of one vector.
constexpr size_t kVectorBlocks = 16;
/// Vectors side by side, which together use every register and hide the latency of the rounds.
constexpr size_t kVectors = 2;
/// Quarter rounds side by side.
constexpr int kBeside = 4;

CULVERT_LANES_INLINE __m128i load16(const void* bytes) {
  return _mm_loadu_si128(static_cast<const __m128i*>(bytes));
}

/// Four 128-bit rows in one register.
CULVERT_LANES_INLINE __m512i four(__m128i a, __m128i b, __m128i c, __m128i d) {
  __m512i rows = _mm512_inserti32x4(_mm512_castsi128_si512(a), b, 1);
  return _mm512_inserti32x4(_mm512_inserti32x4(rows, c, 2), d, 3);
}

/// Transposes 4 × 4 words of 32 bits in each quarter: what was word k of row j becomes word j of row k.
CULVERT_LANES_INLINE void transpose_quarters(__m512i& a, __m512i& b, __m512i& c, __m512i& d) {
  __m512i ab_low = _mm512_unpacklo_epi32(a, b), ab_high = _mm512_unpackhi_epi32(a, b);
  __m512i cd_low = _mm512_unpacklo_epi32(c, d), cd_high = _mm512_unpackhi_epi32(c, d);
  a = _mm512_unpacklo_epi64(ab_low, cd_low);
  b = _mm512_unpackhi_epi64(ab_low, cd_low);
  c = _mm512_unpacklo_epi64(ab_high, cd_high);
  d = _mm512_unpackhi_epi64(ab_high, cd_high);
}

/// Transposes 4 × 4 elements of 128 bits.
CULVERT_LANES_INLINE void transpose_128(__m512i& a, __m512i& b, __m512i& c, __m512i& d) {
  __m512i ab_even = _mm512_shuffle_i32x4(a, b, 0x88), ab_odd = _mm512_shuffle_i32x4(a, b, 0xDD);
  __m512i cd_even = _mm512_shuffle_i32x4(c, d, 0x88), cd_odd = _mm512_shuffle_i32x4(c, d, 0xDD);
  a = _mm512_shuffle_i32x4(ab_even, cd_even, 0x88);
  b = _mm512_shuffle_i32x4(ab_odd, cd_odd, 0x88);
  c = _mm512_shuffle_i32x4(ab_even, cd_even, 0xDD);
  d = _mm512_shuffle_i32x4(ab_odd, cd_odd, 0xDD);
}

/// Transposes 8 × 8 words of 64 bits.
CULVERT_LANES_INLINE void transpose_64(__m512i (&rows)[8]) {
  __m512i even[4], odd[4];
  CULVERT_LANES_UNROLL
  for (int i = 0; i < 4; ++i) {
    even[i] = _mm512_unpacklo_epi64(rows[2 * i], rows[2 * i + 1]);
    odd[i] = _mm512_unpackhi_epi64(rows[2 * i], rows[2 * i + 1]);
  }
  transpose_128(even[0], even[1], even[2], even[3]);
  transpose_128(odd[0], odd[1], odd[2], odd[3]);
  CULVERT_LANES_UNROLL
  for (int i = 0; i < 4; ++i) {
    rows[2 * i] = even[i];
    rows[2 * i + 1] = odd[i];
  }
}

/// As wipe(), for whole vectors at an aligned place.
CULVERT_LANES_INLINE void wipe_vectors(void* memory, size_t size) {
  auto* end = static_cast<__m512i*>(memory) + size / sizeof(__m512i);
  for (auto* at = static_cast<__m512i*>(memory); at != end; ++at) {
    _mm512_store_si512(at, _mm512_setzero_si512());
    // Else the compiler makes it `rep stos`, which takes longer to start than this takes.
    __asm__ __volatile__("" : : "r"(at) : "memory");
  }
}

CULVERT_LANES_INLINE Words sum(Words a, Words b) {
  return _mm512_add_epi32(a, b);
}
CULVERT_LANES_INLINE Words every_lane(uint32_t word) {
  return _mm512_set1_epi32(static_cast<int>(word));
}
CULVERT_LANES_INLINE Words lane_numbers() {
  return _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}

template <int kBits>
CULVERT_LANES_INLINE void add_xor_rotate(Words& sum, Words addend, Words& rotated) {
  sum = _mm512_add_epi32(sum, addend);
  rotated = _mm512_rol_epi32(_mm512_xor_si512(rotated, sum), kBits);
  // Keeps the compiler from reordering: the 32 words of two vectors have 32 registers only as long as each result takes
  // the place of its operand (a sixth faster with GCC 12).
  __asm__ __volatile__("" : "+v"(sum), "+v"(rotated));
}

/// Four words of 16 blocks, from 16 bytes per block that `row` points to.
template <class Row>
CULVERT_LANES_INLINE void gather(Words* words, Row row) {
  __m512i in[4];
  CULVERT_LANES_UNROLL
  for (size_t i = 0; i < 4; ++i)
    in[i] = four(load16(row(i)), load16(row(i + 4)), load16(row(i + 8)), load16(row(i + 12)));
  transpose_quarters(in[0], in[1], in[2], in[3]);
  CULVERT_LANES_UNROLL
  for (size_t i = 0; i < 4; ++i) words[i] = in[i];
}

/// 64 bytes of key stream.
CULVERT_LANES_INLINE __m512i key_stream(const uint8_t* bytes) {
  return _mm512_loadu_si512(bytes);
}
/// XORs the bytes of a block that exist with key stream.
CULVERT_LANES_INLINE void exclusive_or(uint8_t* text, __m512i stream, uint64_t present) {
  __mmask64 mask = present;
  _mm512_mask_storeu_epi8(text, mask, _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, text), stream));
}
CULVERT_LANES_INLINE void exclusive_or(uint8_t* text, __m512i stream) {
  _mm512_storeu_si512(text, _mm512_xor_si512(_mm512_loadu_si512(text), stream));
}

/// Puts 16 blocks of key stream that stand word by word together: `apply(block, stream)` for each.
template <class Apply>
CULVERT_LANES_INLINE void each_block(Words (&words)[16], const Apply& apply) {
  CULVERT_LANES_UNROLL
  for (int i = 0; i < 16; i += 4) transpose_quarters(words[i], words[i + 1], words[i + 2], words[i + 3]);
  CULVERT_LANES_UNROLL
  for (int i = 0; i < 4; ++i) {
    transpose_128(words[i], words[i + 4], words[i + 8], words[i + 12]);
    CULVERT_LANES_UNROLL
    for (int quarter = 0; quarter < 4; ++quarter) apply(static_cast<size_t>(4 * quarter + i), words[i + 4 * quarter]);
  }
}

}  // namespace culvert::aead::lanes::avx512
