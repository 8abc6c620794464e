// AES-GCM for a packet of any length: full groups of vectors, then what is left at once. Opening hashes the blocks that
// it decrypts, beside their rounds of AES; sealing those that it has encrypted, beside the rounds of what comes next,
// be it of this packet or of the one behind it (unhashed_vaes.h).
#pragma once

#include "dataplane/crypto/aead.h"
#include "dataplane/crypto/unhashed_vaes.h"

namespace culvert::aead::vaes {

/// Where a packet stands.
struct Progress {
  const Job& job;
  const GcmVaesKey& key;
  __m128i nonce;
  __m128i mask_of_tag;
  uint8_t* text;
  const uint8_t* ahead;  ///< the next packet's text, at the same place
  uint32_t left;
  uint32_t counter;  ///< of the next block
  __m512i hash;      ///< of what has been absorbed
  __m128i aad;       ///< byte-reversed
};

/// What the first group begins with: the AAD, as the last lane of a vector in front of it.
CULVERT_VAES_INLINE Products aad_before_group(const GcmVaesKey& key, __m128i aad) {
  return multiply(_mm512_inserti32x4(_mm512_setzero_si512(), aad, 3), one_power(key, 4 * (kGroup + 1)));
}

/// Full groups, as long as more than a last group is left. Sealing takes in `unhashed` beside the first one, and leaves
/// the ciphertext of the last one in `hashed`, not absorbed yet, and what belongs in front of it in `before`.
template <int kRounds, bool kSeal>
CULVERT_VAES_INLINE void groups(Progress& at, Unhashed& unhashed, __m512i (&hashed)[kGroup], Products& before) {
  const GcmVaesKey& key = at.key;
  before = aad_before_group(key, at.aad);
  at.aad = _mm_setzero_si128();
  for (bool first = true; at.left > kLastBytes; first = false) {
    __m512i blocks[kGroup];
    counters(at.nonce, at.counter, blocks);
    if constexpr (!kSeal) {
      CULVERT_UNROLL
      for (int i = 0; i < kGroup; ++i) hashed[i] = reversed(_mm512_loadu_si512(at.text + 64 * i));
    }
    // Opening hashes the group it decrypts; sealing, the one before, whose ciphertext is there.
    if (kSeal && first) {
      if (unhashed.vectors() == 0)
        encrypt_alone<kRounds>(key, blocks, at.ahead);
      else
        encrypt_beside_unhashed<kRounds, true>(key, blocks, unhashed, at.ahead);
    } else {
      Hashing<kGroup> hashing(before);
      encrypt_beside<kRounds>(key, blocks, hashing, GroupTerm{key, hashed, at.hash}, at.ahead);
      at.hash = reduce(hashing.sum());
      before = Products{};
    }
    CULVERT_UNROLL
    for (int i = 0; i < kGroup; ++i) {
      __m512i out = _mm512_xor_si512(_mm512_loadu_si512(at.text + 64 * i), blocks[i]);
      _mm512_storeu_si512(at.text + 64 * i, out);
      if constexpr (kSeal) hashed[i] = reversed(out);
    }
    at.text += kGroupBytes;
    at.ahead += kGroupBytes;
    at.left -= kGroupBytes;
    at.counter += 4 * kGroup;
  }
}

/// What stands around the last blocks: the AAD, when there were none before them, and the block of lengths.
CULVERT_VAES_INLINE Products edges(const Progress& at, uint32_t blocks) {
  __m128i lengths = _mm_set_epi64x(static_cast<long long>(uint64_t{at.job.aad_length} * 8),
                                   static_cast<long long>(uint64_t{at.job.length} * 8));
  __m512i both = _mm512_inserti32x4(_mm512_zextsi128_si512(lengths), at.aad, 1);
  __m512i powers = _mm512_mask_broadcast_i32x4(_mm512_zextsi128_si512(load(power(at.key, 1))), 0x00F0,
                                               load(power(at.key, blocks + 2)));
  return multiply(both, powers);
}

/// What is left, in kVectors vectors of which the last may be partial, and the block of lengths. Opening returns GHASH;
/// sealing leaves the blocks, which GHASH has still to take in, in `unhashed`. kPending: behind groups.
template <int kRounds, bool kSeal, int kVectors, bool kPending>
CULVERT_VAES_INLINE __m128i last(Progress& at, const __m512i (&pending)[kGroup], const Products& before,
                                 Unhashed& unhashed) {
  const GcmVaesKey& key = at.key;
  constexpr int kLast = kVectors - 1;
  __mmask64 present = _bzhi_u64(~uint64_t{0}, at.left - 64 * kLast);
  uint32_t count = (at.left + 15) / 16;
  __m512i stream[kVectors], hashed[kVectors];
  counters(at.nonce, at.counter, stream);
  Hashing<kVectors> hashing(edges(at, count));
  if constexpr (!kSeal) {
    CULVERT_UNROLL
    for (int i = 0; i < kVectors; ++i)
      hashed[i] = reversed(i == kLast ? _mm512_maskz_loadu_epi8(present, at.text + 64 * i)
                                      : _mm512_loadu_si512(at.text + 64 * i));
    encrypt_beside<kRounds>(key, stream, hashing, LastTerm<kVectors>{key, hashed, at.hash, count}, at.ahead);
  } else if constexpr (kPending) {
    Hashing<kGroup> group(before);
    encrypt_beside<kRounds>(key, stream, group, GroupTerm{key, pending, at.hash}, at.ahead);
    at.hash = reduce(group.sum());
  } else if (unhashed.vectors() == kVectors) {
    encrypt_beside_unhashed<kRounds, false>(key, stream, unhashed, at.ahead);
  } else {
    unhashed.hash_alone();
    encrypt_alone<kRounds>(key, stream, at.ahead);
  }
  CULVERT_UNROLL
  for (int i = 0; i < kVectors; ++i) {
    if (i == kLast) {
      __m512i out = _mm512_maskz_mov_epi8(
          present, _mm512_xor_si512(_mm512_maskz_loadu_epi8(present, at.text + 64 * i), stream[i]));
      _mm512_mask_storeu_epi8(at.text + 64 * i, present, out);
      if constexpr (kSeal) hashed[i] = reversed(out);
    } else {
      __m512i out = _mm512_xor_si512(_mm512_loadu_si512(at.text + 64 * i), stream[i]);
      _mm512_storeu_si512(at.text + 64 * i, out);
      if constexpr (kSeal) hashed[i] = reversed(out);
    }
  }
  if constexpr (!kSeal) return reduce_lanes(hashing.sum());
  hashed[0] = _mm512_xor_si512(hashed[0], at.hash);
  unhashed.put<kVectors, kPending>(key, hashed, count, hashing.sum(), at.job.tag, at.mask_of_tag);
  return _mm_setzero_si128();
}

template <int kRounds, bool kSeal, bool kPending>
CULVERT_VAES_INLINE __m128i last_of_any_size(Progress& at, const __m512i (&pending)[kGroup], const Products& before,
                                             Unhashed& unhashed) {
  switch ((at.left + 63) / 64) {
#define CULVERT_LAST(n) \
  case n:               \
    if constexpr (n <= kGroup + 1) return last<kRounds, kSeal, n, kPending>(at, pending, before, unhashed);
    CULVERT_LAST(2)
    CULVERT_LAST(3)
    CULVERT_LAST(4)
    CULVERT_LAST(5)
    CULVERT_LAST(6)
    CULVERT_LAST(7)
    CULVERT_LAST(8)
    CULVERT_LAST(9)
#undef CULVERT_LAST
  }
  return last<kRounds, kSeal, 1, kPending>(at, pending, before, unhashed);
}

/// `next`: the job behind it, or itself. Sealing takes `unhashed` in and leaves this packet's end there, with its tag
/// to be written.
template <int kRounds, bool kSeal>
CULVERT_VAES_INLINE void crypt_one(Job& job, const Job& next, Unhashed& unhashed) {
  const GcmVaesKey& key = job.key->gcm_vaes;
  __m128i nonce = _mm_maskz_loadu_epi32(7, job.nonce.data());
  __m128i mask_of_tag = encrypt<kRounds>(key, _mm_insert_epi32(nonce, static_cast<int>(__builtin_bswap32(1)), 3));
  auto aad_mask = static_cast<__mmask16>(_bzhi_u32(0xFFFF, job.aad_length));
  __m128i aad = reversed(_mm_maskz_loadu_epi8(aad_mask, job.aad));
  Progress at{job, key, nonce, mask_of_tag, job.text, next.text, job.length, 2, _mm512_setzero_si512(), aad};
  __m512i pending[kGroup];
  Products before;
  __m128i hash;
  if (at.left > kLastBytes) {
    groups<kRounds, kSeal>(at, unhashed, pending, before);
    hash = last_of_any_size<kRounds, kSeal, kSeal>(at, pending, before, unhashed);
  } else {
    hash = last_of_any_size<kRounds, kSeal, false>(at, pending, before, unhashed);
  }
  if constexpr (!kSeal) {
    __m128i difference = _mm_xor_si128(_mm_xor_si128(reversed(hash), mask_of_tag), load(job.tag));
    job.authentic = _mm_testz_si128(difference, difference) != 0;
  }
}

}  // namespace culvert::aead::vaes
