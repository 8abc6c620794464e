// Vectors of AES-GCM: one block to a vector, on AES-NI and PCLMULQDQ; AVX2 for its instructions of three operands. Only
// for functions that run after gcm_aesni_supported() said yes.
#pragma once

#define CULVERT_GCM_TARGET "avx2,aes,pclmul,bmi2"
#define CULVERT_GCM_NAMESPACE aesni

#include <immintrin.h>

#include <cstdint>

#include "dataplane/crypto/gcm_target.h"

namespace culvert::aead::aesni {

using Vector = __m128i;

CULVERT_GCM_INLINE Vector load_vector(const uint8_t* bytes) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
}
CULVERT_GCM_INLINE void store_vector(uint8_t* bytes, Vector vector) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(bytes), vector);
}
CULVERT_GCM_INLINE Vector every_block(__m128i block) {
  return block;
}
CULVERT_GCM_INLINE Vector first_block(__m128i block) {
  return block;
}
CULVERT_GCM_INLINE __m128i fold(Vector blocks) {
  return blocks;
}
CULVERT_GCM_INLINE Vector exclusive_or(Vector a, Vector b) {
  return _mm_xor_si128(a, b);
}
CULVERT_GCM_INLINE Vector bit_and(Vector a, Vector b) {
  return _mm_and_si128(a, b);
}
CULVERT_GCM_INLINE Vector add_32(Vector a, Vector b) {
  return _mm_add_epi32(a, b);
}
CULVERT_GCM_INLINE Vector shuffle(Vector blocks, Vector order) {
  return _mm_shuffle_epi8(blocks, order);
}
CULVERT_GCM_INLINE Vector aes_round(Vector blocks, Vector key) {
  return _mm_aesenc_si128(blocks, key);
}
CULVERT_GCM_INLINE Vector aes_last_round(Vector blocks, Vector key) {
  return _mm_aesenclast_si128(blocks, key);
}
template <int kHalves>
CULVERT_GCM_INLINE Vector carryless(Vector a, Vector b) {
  return _mm_clmulepi64_si128(a, b, kHalves);
}
/// `nonce` with the counter `first`.
CULVERT_GCM_INLINE Vector first_counters(__m128i nonce, uint32_t first) {
  return _mm_insert_epi32(nonce, static_cast<int>(first), 3);
}

}  // namespace culvert::aead::aesni
