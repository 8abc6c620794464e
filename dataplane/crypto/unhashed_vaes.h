// The end of a sealed packet, which GHASH has still to take in. Its ciphertext is there only when its last round of AES
// is done, so hashing it at once would stand alone: some thirty cycles. It waits for the next packet, and its products
// are added up beside the first rounds of that one.
#pragma once

#include "dataplane/crypto/hash_beside_vaes.h"

namespace culvert::aead::vaes {

class Unhashed {
 public:
  static constexpr int kMost = kGroup + 1;  ///< vectors
  static_assert(GcmVaesKey::kPowers >= 4 * kMost + 1);

  /// How many vectors of a packet wait; 0: there is none.
  CULVERT_VAES_INLINE int vectors() const { return vectors_; }

  /// A packet's last `count` blocks, byte-reversed, the hash of those before them added to the first; `edges`: products
  /// of what stands around them; `mask`: what the tag, which is written to `tag`, is XORed with. kFilledUp: with
  /// vectors of zeros in front, as encrypt_beside_unhashed() needs it for any number.
  template <int kVectors, bool kFilledUp>
  CULVERT_VAES_INLINE void put(const GcmVaesKey& key, const __m512i (&hashed)[kVectors], uint32_t count,
                               const Products& edges, uint8_t* tag, __m128i mask) {
    static_assert(kVectors <= kMost);
    constexpr int kFree = kMost - kVectors;
    if constexpr (kFilledUp) {
      CULVERT_UNROLL
      for (int i = 0; i < kFree; ++i) blocks_[i] = _mm512_setzero_si512();
    }
    CULVERT_UNROLL
    for (int i = 0; i < kVectors; ++i) blocks_[kFree + i] = hashed[i];
    vectors_ = kVectors;
    powers_ = power(key, count + 1) - 64 * kFree;
    edges_ = edges;
    tag_ = tag;
    mask_ = mask;
  }

  /// The last kVectors, as the term of a Hashing that begins with edges().
  template <int kVectors>
  struct Term {
    const Unhashed& all;
    CULVERT_VAES_INLINE __m512i blocks(int i) const { return all.blocks_[kMost - kVectors + i]; }
    CULVERT_VAES_INLINE __m512i powers(int i) const { return all.powers_of(kMost - kVectors + i); }
  };
  CULVERT_VAES_INLINE const Products& edges() const { return edges_; }
  /// `sum`: of all products. Nothing waits any more.
  CULVERT_VAES_INLINE void write_tag(const Products& sum) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(tag_), _mm_xor_si128(reversed(reduce_lanes(sum)), mask_));
    vectors_ = 0;
  }

  /// For a packet that nothing follows beside which it could be hashed. Nothing is done when none waits.
  CULVERT_VAES_INLINE void hash_alone() {
    if (vectors_ == 0) return;
    Products sum = edges_;
    for (int i = kMost - vectors_; i < kMost; ++i) multiply_add(sum, blocks_[i], powers_of(i));
    write_tag(sum);
  }

 private:
  CULVERT_VAES_INLINE __m512i powers_of(int i) const { return _mm512_loadu_si512(powers_ + 64 * i); }

  __m512i blocks_[kMost];  ///< they stand at the end
  int vectors_ = 0;
  const uint8_t* powers_;  ///< where those of blocks_[0] would stand
  Products edges_;
  uint8_t* tag_;
  __m128i mask_;
};

/// encrypt(), and beside it the end of a packet before that has as many vectors or, kFilledUp, any number.
template <int kRounds, bool kFilledUp, int kVectors>
CULVERT_VAES_INLINE void encrypt_beside_unhashed(const GcmVaesKey& key, __m512i (&blocks)[kVectors], Unhashed& before,
                                                 const uint8_t* ahead) {
  constexpr int kBeside = kFilledUp ? Unhashed::kMost : kVectors;
  Hashing<kBeside> hashing(before.edges());
  encrypt_beside<kRounds>(key, blocks, hashing, Unhashed::Term<kBeside>{before}, ahead);
  before.write_tag(hashing.sum());
}

}  // namespace culvert::aead::vaes
