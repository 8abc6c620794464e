// Compiling for AVX-512 with IFMA function by function, so that the rest of the program runs on CPUs without them; and
// the transpositions between "a register holds one packet" and "a register holds one word of every packet", which
// ChaCha20 and Poly1305 in lanes share. Only for functions that run after chacha_poly_supported() said yes.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#define CULVERT_LANES __attribute__((target("avx2,avx512f,avx512bw,avx512dq,avx512vl,avx512ifma,bmi2")))
#define CULVERT_LANES_INLINE CULVERT_LANES inline __attribute__((always_inline))
// Vectors live in arrays that must become registers, at every optimisation level that optimises.
#define CULVERT_LANES_UNROLL _Pragma("GCC unroll 16")

#if !defined(__clang__)
// GCC 12 takes the undefined vectors inside its own intrinsics for ours (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

namespace culvert::aead::lanes {

CULVERT_LANES_INLINE __m128i load16(const void* bytes) {
  return _mm_loadu_si128(static_cast<const __m128i*>(bytes));
}

/// As wipe(), for whole vectors at an aligned place.
CULVERT_LANES_INLINE void wipe_vectors(void* memory, size_t size) {
  for (size_t at = 0; at < size; at += sizeof(__m512i)) {
    _mm512_store_si512(static_cast<uint8_t*>(memory) + at, _mm512_setzero_si512());
    // Else the compiler makes it `rep stos`, which takes longer to start than this takes.
    __asm__ __volatile__("" : : "r"(memory) : "memory");
  }
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

}  // namespace culvert::aead::lanes
