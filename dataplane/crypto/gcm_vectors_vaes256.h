// Vectors of AES-GCM: two blocks to a vector, on AVX2 with VAES and VPCLMULQDQ. Only for functions that run after
// gcm_vaes256_supported() said yes.
#pragma once

#define CULVERT_GCM_TARGET "avx2,aes,pclmul,vaes,vpclmulqdq,bmi2"
#define CULVERT_GCM_NAMESPACE vaes256

#include <immintrin.h>

#include <cstdint>

#include "dataplane/crypto/gcm_target.h"

namespace culvert::aead::vaes256 {

using Vector = __m256i;

CULVERT_GCM_INLINE Vector load_vector(const uint8_t* bytes) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
}
CULVERT_GCM_INLINE void store_vector(uint8_t* bytes, Vector vector) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(bytes), vector);
}
CULVERT_GCM_INLINE Vector every_block(__m128i block) {
  return _mm256_broadcastsi128_si256(block);
}
/// `block`, behind it zeros.
CULVERT_GCM_INLINE Vector first_block(__m128i block) {
  return _mm256_inserti128_si256(_mm256_setzero_si256(), block, 0);
}
/// Sum of the blocks.
CULVERT_GCM_INLINE __m128i fold(Vector blocks) {
  return _mm_xor_si128(_mm256_castsi256_si128(blocks), _mm256_extracti128_si256(blocks, 1));
}
CULVERT_GCM_INLINE Vector exclusive_or(Vector a, Vector b) {
  return _mm256_xor_si256(a, b);
}
CULVERT_GCM_INLINE Vector bit_and(Vector a, Vector b) {
  return _mm256_and_si256(a, b);
}
CULVERT_GCM_INLINE Vector add_32(Vector a, Vector b) {
  return _mm256_add_epi32(a, b);
}
CULVERT_GCM_INLINE Vector shuffle(Vector blocks, Vector order) {
  return _mm256_shuffle_epi8(blocks, order);
}
CULVERT_GCM_INLINE Vector aes_round(Vector blocks, Vector key) {
  return _mm256_aesenc_epi128(blocks, key);
}
CULVERT_GCM_INLINE Vector aes_last_round(Vector blocks, Vector key) {
  return _mm256_aesenclast_epi128(blocks, key);
}
template <int kHalves>
CULVERT_GCM_INLINE Vector carryless(Vector a, Vector b) {
  return _mm256_clmulepi64_epi128(a, b, kHalves);
}
/// `nonce` with counters from `first` on.
CULVERT_GCM_INLINE Vector first_counters(__m128i nonce, uint32_t first) {
  return add_32(every_block(nonce),
                _mm256_set_epi32(static_cast<int>(first + 1), 0, 0, 0, static_cast<int>(first), 0, 0, 0));
}

}  // namespace culvert::aead::vaes256
