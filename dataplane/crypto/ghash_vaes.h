// GHASH (NIST SP 800-38D, 6.4), four blocks to a vector. Blocks and hash are byte-reversed, as carry-less
// multiplication wants them.
#pragma once

#include "dataplane/crypto/vaes.h"

namespace culvert::aead::vaes {

// Products are kept unreduced, as low, middle and high parts, and reduced once for many blocks.

/// x^63 + x^62 + x^57: the reflected polynomial without its highest terms.
constexpr long long kPolynomial = static_cast<long long>(0xC200000000000000ull);

struct Product {
  __m128i low, middle, high;
};
struct Products {
  __m512i low, middle, high;
};

CULVERT_VAES_INLINE const uint8_t* power(const GcmVaesKey& key, uint32_t n) {
  return key.powers[GcmVaesKey::kPowers - n].data();
}
/// H^n, H^(n-1), H^(n-2), H^(n-3)
CULVERT_VAES_INLINE __m512i falling_powers(const GcmVaesKey& key, uint32_t n) {
  return _mm512_loadu_si512(power(key, n));
}
/// H^n in every lane
CULVERT_VAES_INLINE __m512i one_power(const GcmVaesKey& key, uint32_t n) {
  return _mm512_broadcast_i32x4(load(power(key, n)));
}

CULVERT_VAES_INLINE Product multiply(__m128i a, __m128i b) {
  return {_mm_clmulepi64_si128(a, b, 0x00),
          _mm_xor_si128(_mm_clmulepi64_si128(a, b, 0x01), _mm_clmulepi64_si128(a, b, 0x10)),
          _mm_clmulepi64_si128(a, b, 0x11)};
}
CULVERT_VAES_INLINE Products multiply(__m512i a, __m512i b) {
  return {_mm512_clmulepi64_epi128(a, b, 0x00),
          _mm512_xor_si512(_mm512_clmulepi64_epi128(a, b, 0x01), _mm512_clmulepi64_epi128(a, b, 0x10)),
          _mm512_clmulepi64_epi128(a, b, 0x11)};
}
CULVERT_VAES_INLINE void multiply_add(Products& sum, __m512i a, __m512i b) {
  constexpr int kXor3 = 0x96;
  sum.low = _mm512_xor_si512(sum.low, _mm512_clmulepi64_epi128(a, b, 0x00));
  sum.middle = _mm512_ternarylogic_epi64(sum.middle, _mm512_clmulepi64_epi128(a, b, 0x01),
                                         _mm512_clmulepi64_epi128(a, b, 0x10), kXor3);
  sum.high = _mm512_xor_si512(sum.high, _mm512_clmulepi64_epi128(a, b, 0x11));
}

CULVERT_VAES_INLINE __m128i reduce(const Product& product) {
  const __m128i polynomial = _mm_set_epi64x(0, kPolynomial);
  __m128i low = _mm_xor_si128(product.low, _mm_slli_si128(product.middle, 8));
  __m128i high = _mm_xor_si128(product.high, _mm_srli_si128(product.middle, 8));
  low = _mm_xor_si128(_mm_shuffle_epi32(low, 0x4E), _mm_clmulepi64_si128(low, polynomial, 0x00));
  low = _mm_xor_si128(_mm_shuffle_epi32(low, 0x4E), _mm_clmulepi64_si128(low, polynomial, 0x00));
  return _mm_xor_si128(low, high);
}
/// The same in each of four lanes, of a product without a middle part.
CULVERT_VAES_INLINE __m512i reduce(__m512i low, __m512i high) {
  const __m512i polynomial = _mm512_broadcast_i32x4(_mm_set_epi64x(0, kPolynomial));
  constexpr auto kSwapHalves = static_cast<_MM_PERM_ENUM>(0x4E);
  low = _mm512_xor_si512(_mm512_shuffle_epi32(low, kSwapHalves), _mm512_clmulepi64_epi128(low, polynomial, 0x00));
  low = _mm512_xor_si512(_mm512_shuffle_epi32(low, kSwapHalves), _mm512_clmulepi64_epi128(low, polynomial, 0x00));
  return _mm512_xor_si512(low, high);
}
CULVERT_VAES_INLINE __m512i reduce(const Products& products) {
  return reduce(_mm512_xor_si512(products.low, _mm512_bslli_epi128(products.middle, 8)),
                _mm512_xor_si512(products.high, _mm512_bsrli_epi128(products.middle, 8)));
}
CULVERT_VAES_INLINE __m128i sum_of_lanes(__m512i lanes) {
  __m256i halves = _mm256_xor_si256(_mm512_castsi512_si256(lanes), _mm512_extracti64x4_epi64(lanes, 1));
  return _mm_xor_si128(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));
}
/// The sum of the lanes, reduced.
CULVERT_VAES_INLINE __m128i reduce_lanes(const Products& products) {
  return reduce(Product{sum_of_lanes(products.low), sum_of_lanes(products.middle), sum_of_lanes(products.high)});
}

// A running hash of four lanes: lane i stands where block i of the next vector will be added to it.

/// The term of one vector out of a full group, `index` counted from its start.
CULVERT_VAES_INLINE void absorb_vector(Products& sum, const GcmVaesKey& key, __m512i blocks, int index) {
  multiply_add(sum, blocks, one_power(key, static_cast<uint32_t>(4 * (kGroup - index))));
}
CULVERT_VAES_INLINE __m512i absorb_group(const GcmVaesKey& key, __m512i hash, const __m512i (&blocks)[kGroup]) {
  Products sum = multiply(_mm512_xor_si512(blocks[0], hash), one_power(key, 4 * kGroup));
  CULVERT_UNROLL
  for (int i = 1; i < kGroup; ++i) absorb_vector(sum, key, blocks[i], i);
  return reduce(sum);
}

}  // namespace culvert::aead::vaes
