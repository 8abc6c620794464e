// GHASH (NIST SP 800-38D, 6.4) on vectors of one or two blocks, compiled for each kind: include one of gcm_vectors_*.h
// first. Blocks and hash are byte-reversed, as carry-less multiplication wants them.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "dataplane/crypto/gcm_vaes.h"
#if !defined(CULVERT_GCM_TARGET)
#include "dataplane/crypto/gcm_vectors_vaes256.h"  // for whoever looks at this file alone
#endif

namespace culvert::aead::CULVERT_GCM_NAMESPACE {

CULVERT_GCM_INLINE __m128i load(const void* bytes) {
  return _mm_loadu_si128(static_cast<const __m128i*>(bytes));
}
CULVERT_GCM_INLINE __m128i reversed(__m128i block) {
  return _mm_shuffle_epi8(block, _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}
/// In each block: the last four bytes reversed.
CULVERT_GCM_INLINE __m128i counter_order() {
  return _mm_set_epi8(12, 13, 14, 15, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}

/// A product before its reduction.
struct Product {
  __m128i low, middle, high;
};

CULVERT_GCM_INLINE Product multiply(__m128i a, __m128i b) {
  return {_mm_clmulepi64_si128(a, b, 0x00),
          _mm_xor_si128(_mm_clmulepi64_si128(a, b, 0x01), _mm_clmulepi64_si128(a, b, 0x10)),
          _mm_clmulepi64_si128(a, b, 0x11)};
}

CULVERT_GCM_INLINE __m128i reduce(const Product& product) {
  // x^63 + x^62 + x^57: the reflected polynomial without its highest terms.
  const __m128i polynomial = _mm_set_epi64x(0, static_cast<long long>(0xC200000000000000ull));
  __m128i low = _mm_xor_si128(product.low, _mm_slli_si128(product.middle, 8));
  __m128i high = _mm_xor_si128(product.high, _mm_srli_si128(product.middle, 8));
  low = _mm_xor_si128(_mm_shuffle_epi32(low, 0x4E), _mm_clmulepi64_si128(low, polynomial, 0x00));
  low = _mm_xor_si128(_mm_shuffle_epi32(low, 0x4E), _mm_clmulepi64_si128(low, polynomial, 0x00));
  return _mm_xor_si128(low, high);
}

/// Vectors that go through AES together: enough to cover the latency of a round.
constexpr int kGroup = 8;
constexpr uint32_t kVectorBytes = sizeof(Vector);
constexpr uint32_t kVectorBlocks = kVectorBytes / 16;
constexpr uint32_t kGroupBytes = kGroup * kVectorBytes;
static_assert(GcmVaesKey::kPowers >= kGroupBytes / 16 + 2, "a group's blocks, the AAD before and the lengths behind");

CULVERT_GCM_INLINE Vector every_block_reversed(Vector blocks) {
  return shuffle(blocks, every_block(_mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)));
}
CULVERT_GCM_INLINE const uint8_t* power(const GcmVaesKey& key, uint32_t n) {
  return key.powers[GcmVaesKey::kPowers - n].data();
}
CULVERT_GCM_INLINE Vector round_key(const GcmVaesKey& key, int round) {
  return every_block(load(key.round[static_cast<size_t>(round)].data()));
}

/// Sum of products of blocks, one in each block of the vectors.
struct Sum {
  Vector low, middle, high;
};

CULVERT_GCM_INLINE void multiply_add(Sum& sum, Vector a, Vector b) {
  sum.low = exclusive_or(sum.low, carryless<0x00>(a, b));
  sum.middle = exclusive_or(exclusive_or(sum.middle, carryless<0x01>(a, b)), carryless<0x10>(a, b));
  sum.high = exclusive_or(sum.high, carryless<0x11>(a, b));
  __asm__ __volatile__("" : "+x"(sum.low), "+x"(sum.middle), "+x"(sum.high));  // as in key_stream()
}
CULVERT_GCM_INLINE __m128i reduce(const Sum& sum) {
  return reduce(Product{fold(sum.low), fold(sum.middle), fold(sum.high)});
}

/// kVectors vectors of ciphertext that are hashed a part at a time, beside the rounds of AES.
template <int kVectors>
struct Hashing {
  const GcmVaesKey& key;
  const uint8_t* text;
  uint32_t highest_power;  ///< what the first block is multiplied with; each other one a power less
  __m128i hash;            ///< of what came before
  Sum sum;                 ///< of what has been added so far

  /// Round `round` of 1 … `rounds` - 1 is under way: adds its share. The vector that waits for the hash comes last.
  CULVERT_GCM_INLINE void beside(int round, int rounds) {
    CULVERT_GCM_UNROLL
    for (int i = kVectors * (round - 1) / (rounds - 1); i < kVectors * round / (rounds - 1); ++i)
      add(static_cast<uint32_t>(kVectors - 1 - i));
  }

 private:
  CULVERT_GCM_INLINE void add(uint32_t i) {
    Vector blocks = every_block_reversed(load_vector(text + kVectorBytes * i));
    if (i == 0) blocks = exclusive_or(blocks, first_block(hash));
    multiply_add(sum, blocks, load_vector(power(key, highest_power - kVectorBlocks * i)));
  }
};

}  // namespace culvert::aead::CULVERT_GCM_NAMESPACE
