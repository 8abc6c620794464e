// AES in counter mode (NIST SP 800-38D, 6.5), four blocks to a vector.
#pragma once

#include "dataplane/crypto/vaes.h"

namespace culvert::aead::vaes {

/// Counter blocks `first`, `first` + 1, … behind the nonce (whose last four bytes are zero).
template <int kVectors>
CULVERT_VAES_INLINE void counters(__m128i nonce, uint32_t first, __m512i (&out)[kVectors]) {
  const __m512i lane = _mm512_set_epi32(3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0);
  if ((first & 0xFF) + 4 * kVectors <= 256) [[likely]] {  // only the last byte of the big-endian counter changes
    __m512i block = _mm512_broadcast_i32x4(_mm_insert_epi32(nonce, static_cast<int>(__builtin_bswap32(first)), 3));
    block = _mm512_add_epi32(block, _mm512_slli_epi32(lane, 24));
    const __m512i four = _mm512_broadcast_i32x4(_mm_set_epi32(4 << 24, 0, 0, 0));
    CULVERT_UNROLL
    for (int i = 0; i < kVectors; ++i, block = _mm512_add_epi32(block, four)) out[i] = block;
    return;
  }
  const __m512i swap = _mm512_broadcast_i32x4(_mm_set_epi8(12, 13, 14, 15, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
  CULVERT_UNROLL
  for (int i = 0; i < kVectors; ++i) {
    __m128i start = _mm_insert_epi32(nonce, static_cast<int>(first + static_cast<uint32_t>(4 * i)), 3);
    out[i] = _mm512_shuffle_epi8(_mm512_add_epi32(_mm512_broadcast_i32x4(start), lane), swap);
  }
}

template <int kRounds, int kVectors>
CULVERT_VAES_INLINE void encrypt(const GcmVaesKey& key, __m512i (&blocks)[kVectors]) {
  CULVERT_UNROLL
  for (auto& block : blocks) block = _mm512_xor_si512(block, round_key(key, 0));
  CULVERT_UNROLL
  for (int round = 1; round < kRounds; ++round) {
    CULVERT_UNROLL
    for (auto& block : blocks) block = _mm512_aesenc_epi128(block, round_key(key, round));
  }
  CULVERT_UNROLL
  for (auto& block : blocks) block = _mm512_aesenclast_epi128(block, round_key(key, kRounds));
}

template <int kRounds>
CULVERT_VAES_INLINE __m128i encrypt(const GcmVaesKey& key, __m128i block) {
  block = _mm_xor_si128(block, load(key.round[0].data()));
  CULVERT_UNROLL
  for (int round = 1; round < kRounds; ++round)
    block = _mm_aesenc_si128(block, load(key.round[static_cast<size_t>(round)].data()));
  return _mm_aesenclast_si128(block, load(key.round[kRounds].data()));
}

}  // namespace culvert::aead::vaes
