// Compiling for VAES and AVX-512 function by function, so that the rest of the program runs on CPUs without them; and
// the few vector helpers that GHASH and counter mode share. Only for functions that run after gcm_vaes_supported() said
// yes.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "dataplane/crypto/gcm_vaes.h"

#define CULVERT_VAES __attribute__((target("avx2,avx512f,avx512bw,avx512dq,avx512vl,aes,pclmul,vaes,vpclmulqdq,bmi2")))
#define CULVERT_VAES_INLINE CULVERT_VAES inline __attribute__((always_inline))
// Vectors live in arrays that must become registers, at every optimisation level that optimises.
#define CULVERT_UNROLL _Pragma("GCC unroll 16")

#if !defined(__clang__)
// GCC 12 takes the undefined vectors inside its own intrinsics for ours (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace culvert::aead::vaes {

/// Vectors of four blocks that go through AES together: enough to cover the latency of a round.
constexpr int kGroup = 8;
constexpr uint32_t kGroupBytes = 64 * kGroup;
/// The last group takes up to this much, so that behind a full group there are always four blocks or more, one for each
/// lane of the running hash.
constexpr uint32_t kLastBytes = kGroupBytes + 64;
static_assert(GcmVaesKey::kPowers >= kLastBytes / 16 + 2,
              "a last group's blocks, the AAD before and the lengths behind");

CULVERT_VAES_INLINE __m128i load(const uint8_t* bytes) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
}
CULVERT_VAES_INLINE __m128i reversed_order() {
  return _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}
CULVERT_VAES_INLINE __m128i reversed(__m128i block) {
  return _mm_shuffle_epi8(block, reversed_order());
}
CULVERT_VAES_INLINE __m512i reversed(__m512i blocks) {
  return _mm512_shuffle_epi8(blocks, _mm512_broadcast_i32x4(reversed_order()));
}
CULVERT_VAES_INLINE __m512i round_key(const GcmVaesKey& key, int round) {
  return _mm512_broadcast_i32x4(load(key.round[static_cast<size_t>(round)].data()));
}

}  // namespace culvert::aead::vaes
