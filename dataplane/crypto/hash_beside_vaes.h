// GHASH beside the rounds of AES: the two use different units of the CPU, and its scheduler is too small to find work
// for both when one stands behind the other. Lines of the next packet come in beside them.
#pragma once

#include "dataplane/crypto/ctr_vaes.h"
#include "dataplane/crypto/ghash_vaes.h"

namespace culvert::aead::vaes {

constexpr int kPaced = 4;  ///< vectors from which on the next packet's lines are fetched one by one

/// Products of blocks and powers, added up a part at a time beside the rounds of AES. The vector that waits for the
/// running hash comes last, so that it waits for nothing else.
template <int kVectors>
class Hashing {
 public:
  CULVERT_VAES_INLINE explicit Hashing(Products so_far) : sum_(so_far) {}

  /// Round `round` of 1 … `rounds` - 1 is under way: adds its share. `term(i, blocks, powers)` gives what vector i is
  /// multiplied with what.
  template <class Term>
  CULVERT_VAES_INLINE void beside(int round, int rounds, const Term& term) {
    CULVERT_UNROLL
    for (int i = kVectors * (round - 1) / (rounds - 1); i < kVectors * round / (rounds - 1); ++i) add(term, i);
  }
  template <class Term>
  CULVERT_VAES_INLINE void all(const Term& term) {
    CULVERT_UNROLL
    for (int i = 0; i < kVectors; ++i) add(term, i);
  }
  CULVERT_VAES_INLINE const Products& sum() const { return sum_; }

 private:
  template <class Term>
  CULVERT_VAES_INLINE void add(const Term& term, int step) {
    int i = kVectors - 1 - step;
    multiply_add(sum_, term.blocks(i), term.powers(i));
  }
  Products sum_;
};

/// A full group in front of others: each lane goes on to its next block four places on.
struct GroupTerm {
  const GcmVaesKey& key;
  const __m512i (&hashed)[kGroup];
  const __m512i& hash;  ///< of what came before
  CULVERT_VAES_INLINE __m512i blocks(int i) const { return i == 0 ? _mm512_xor_si512(hashed[0], hash) : hashed[i]; }
  CULVERT_VAES_INLINE __m512i powers(int i) const { return one_power(key, static_cast<uint32_t>(4 * (kGroup - i))); }
};

/// The last vectors, `count` blocks of which the text has still `left` bytes.
template <int kVectors>
struct LastTerm {
  const GcmVaesKey& key;
  const __m512i (&hashed)[kVectors];
  const __m512i& hash;
  uint32_t count;
  CULVERT_VAES_INLINE __m512i blocks(int i) const { return i == 0 ? _mm512_xor_si512(hashed[0], hash) : hashed[i]; }
  CULVERT_VAES_INLINE __m512i powers(int i) const {
    return falling_powers(key, count + 1 - static_cast<uint32_t>(4 * i));
  }
};

/// No blocks.
struct NoTerm {
  CULVERT_VAES_INLINE __m512i blocks(int) const { return _mm512_setzero_si512(); }
  CULVERT_VAES_INLINE __m512i powers(int) const { return _mm512_setzero_si512(); }
};

/// encrypt(), and beside it the sum of other blocks' products. `ahead`: lines that will be wanted soon; one is fetched
/// per round, because all of them at once would keep this packet's own lines waiting.
template <int kRounds, int kVectors, int kHashed, class Term>
CULVERT_VAES_INLINE void encrypt_beside(const GcmVaesKey& key, __m512i (&blocks)[kVectors], Hashing<kHashed>& hashing,
                                        const Term& term, const uint8_t* ahead) {
  CULVERT_UNROLL
  for (auto& block : blocks) block = _mm512_xor_si512(block, round_key(key, 0));
  CULVERT_UNROLL
  for (int round = 1; round < kRounds; ++round) {
    __m512i with = round_key(key, round);
    CULVERT_UNROLL
    for (auto& block : blocks) block = _mm512_aesenc_epi128(block, with);
    hashing.beside(round, kRounds, term);
    if (kVectors >= kPaced && round <= kVectors) __builtin_prefetch(ahead + 64 * (round - 1));
  }
  CULVERT_UNROLL
  for (auto& block : blocks) block = _mm512_aesenclast_epi128(block, round_key(key, kRounds));
}

/// The same without other blocks.
template <int kRounds, int kVectors>
CULVERT_VAES_INLINE void encrypt_alone(const GcmVaesKey& key, __m512i (&blocks)[kVectors], const uint8_t* ahead) {
  Hashing<0> nothing(Products{});
  encrypt_beside<kRounds>(key, blocks, nothing, NoTerm{}, ahead);
}

}  // namespace culvert::aead::vaes
