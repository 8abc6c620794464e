// AES-GCM for four packets of at most 64 bytes side by side, each under its own key. Such a packet is one vector of
// counter blocks: one after the other they wait for the latency of round after round, and of a reduction each. Here
// four of them go through a round together, and one reduction is for all.
#pragma once

#include <cstddef>

#include "dataplane/crypto/aead.h"
#include "dataplane/crypto/ghash_vaes.h"

namespace culvert::aead::vaes {

constexpr size_t kSmallTogether = 4;
constexpr uint32_t kSmallBytes = 64;

/// [length of text, length of AAD] in bits: the block that GHASH ends with, byte-reversed.
CULVERT_VAES_INLINE __m128i lengths_of(const Job& job) {
  static_assert(offsetof(Job, aad_length) == offsetof(Job, length) + 5);
  const __m128i places = _mm_set_epi8(-1, -1, -1, -1, -1, -1, -1, 5, -1, -1, -1, -1, 3, 2, 1, 0);
  __m128i both = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(&job.length));
  return _mm_slli_epi64(_mm_shuffle_epi8(both, places), 3);
}

/// Of each pair of packets: lengths and AAD of the first one in the lower half, of the second one in the upper.
CULVERT_VAES_INLINE __m256i edge_of(const Job& job) {
  auto mask = static_cast<__mmask16>(_bzhi_u32(0xFFFF, job.aad_length));
  return _mm256_inserti128_si256(_mm256_castsi128_si256(lengths_of(job)), reversed(_mm_maskz_loadu_epi8(mask, job.aad)),
                                 1);
}
CULVERT_VAES_INLINE uint32_t blocks_of(const Job& job) {
  return (job.length + 15) / 16;
}
/// What edge_of() of two packets is multiplied with.
CULVERT_VAES_INLINE __m512i edge_powers(const Job& first, const Job& second) {
  const GcmVaesKey& a = first.key->gcm_vaes;
  const GcmVaesKey& b = second.key->gcm_vaes;
  __m512i powers = _mm512_maskz_broadcast_i32x4(0x000F, load(power(a, 1)));
  powers = _mm512_mask_broadcast_i32x4(powers, 0x00F0, load(power(a, blocks_of(first) + 2)));
  powers = _mm512_mask_broadcast_i32x4(powers, 0x0F00, load(power(b, 1)));
  return _mm512_mask_broadcast_i32x4(powers, 0xF000, load(power(b, blocks_of(second) + 2)));
}

/// Lane i: the sum of packet i's four lanes in `each` and of its two in `pairs`.
CULVERT_VAES_INLINE __m512i sums(const __m512i (&each)[kSmallTogether], const __m512i (&pairs)[2]) {
  constexpr int kXor3 = 0x96;
  __m512i halves[2];
  CULVERT_UNROLL
  for (int i = 0; i < 2; ++i)
    halves[i] = _mm512_ternarylogic_epi64(_mm512_shuffle_i64x2(each[2 * i], each[2 * i + 1], 0x44),
                                          _mm512_shuffle_i64x2(each[2 * i], each[2 * i + 1], 0xEE), pairs[i], kXor3);
  return _mm512_xor_si512(_mm512_shuffle_i64x2(halves[0], halves[1], 0x88),
                          _mm512_shuffle_i64x2(halves[0], halves[1], 0xDD));
}

/// GHASH of the four packets, whose ciphertext is in `text`, byte-reversed; in lane i that of packet i.
CULVERT_VAES_INLINE __m512i hash_small(Job* const* jobs, const __m512i (&text)[kSmallTogether]) {
  __m512i low[kSmallTogether], middle[kSmallTogether], high[kSmallTogether];
  CULVERT_UNROLL
  for (size_t i = 0; i < kSmallTogether; ++i) {
    Products all = multiply(text[i], falling_powers(jobs[i]->key->gcm_vaes, blocks_of(*jobs[i]) + 1));
    low[i] = all.low, middle[i] = all.middle, high[i] = all.high;
  }
  __m512i edge_low[2], edge_middle[2], edge_high[2];
  CULVERT_UNROLL
  for (size_t i = 0; i < 2; ++i) {
    const Job& a = *jobs[2 * i];
    const Job& b = *jobs[2 * i + 1];
    Products all = multiply(_mm512_inserti64x4(_mm512_castsi256_si512(edge_of(a)), edge_of(b), 1), edge_powers(a, b));
    edge_low[i] = all.low, edge_middle[i] = all.middle, edge_high[i] = all.high;
  }
  return reduce(Products{sums(low, edge_low), sums(middle, edge_middle), sums(high, edge_high)});
}

/// Four packets on their way through AES.
struct SmallPackets {
  Job* const* jobs;
  __m512i text[kSmallTogether];
  __m512i stream[kSmallTogether];
  __m128i mask_of_tag[kSmallTogether];
  __mmask64 present[kSmallTogether];

  CULVERT_VAES_INLINE explicit SmallPackets(Job* const* four) : jobs(four) {
    const __m512i counter = _mm512_set_epi32(5 << 24, 0, 0, 0, 4 << 24, 0, 0, 0, 3 << 24, 0, 0, 0, 2 << 24, 0, 0, 0);
    const __m128i one = _mm_set_epi32(1 << 24, 0, 0, 0);
    constexpr int kXor3 = 0x96;
    CULVERT_UNROLL
    for (size_t i = 0; i < kSmallTogether; ++i) {
      __m512i with = round_key(jobs[i]->key->gcm_vaes, 0);
      __m128i nonce = _mm_maskz_loadu_epi32(7, jobs[i]->nonce.data());
      stream[i] = _mm512_ternarylogic_epi64(_mm512_broadcast_i32x4(nonce), counter, with, kXor3);
      mask_of_tag[i] = _mm_ternarylogic_epi64(nonce, one, _mm512_castsi512_si128(with), kXor3);
      present[i] = _bzhi_u64(~uint64_t{0}, jobs[i]->length);
      text[i] = _mm512_maskz_loadu_epi8(present[i], jobs[i]->text);
    }
  }

  /// Replaces the jobs' texts; `stream` has the new ones, behind whose ends stands anything.
  template <int kRounds>
  CULVERT_VAES_INLINE void encrypt() {
    CULVERT_UNROLL
    for (int round = 1; round < kRounds; ++round) {
      CULVERT_UNROLL
      for (size_t i = 0; i < kSmallTogether; ++i) {
        __m512i with = round_key(jobs[i]->key->gcm_vaes, round);
        stream[i] = _mm512_aesenc_epi128(stream[i], with);
        mask_of_tag[i] = _mm_aesenc_si128(mask_of_tag[i], _mm512_castsi512_si128(with));
      }
    }
    CULVERT_UNROLL
    for (size_t i = 0; i < kSmallTogether; ++i) {
      __m512i with = round_key(jobs[i]->key->gcm_vaes, kRounds);
      stream[i] = _mm512_xor_si512(text[i], _mm512_aesenclast_epi128(stream[i], with));
      mask_of_tag[i] = _mm_aesenclast_si128(mask_of_tag[i], _mm512_castsi512_si128(with));
      _mm512_mask_storeu_epi8(jobs[i]->text, present[i], stream[i]);
    }
  }
};

/// Ciphertext of four packets that are sealed but for their tags. Their hash is left for beside the AES of the next
/// four.
struct SmallSealed {
  Job* const* jobs = nullptr;  ///< null: there are none
  __m512i hashed[kSmallTogether];
  __m128i mask_of_tag[kSmallTogether];
};

/// Lane i of `tags`, with the mask of packet i.
CULVERT_VAES_INLINE void tags_of(__m512i tags, const __m128i (&mask)[kSmallTogether], __m128i (&out)[kSmallTogether]) {
  out[0] = _mm_xor_si128(mask[0], _mm512_castsi512_si128(tags));
  out[1] = _mm_xor_si128(mask[1], _mm512_extracti32x4_epi32(tags, 1));
  out[2] = _mm_xor_si128(mask[2], _mm512_extracti32x4_epi32(tags, 2));
  out[3] = _mm_xor_si128(mask[3], _mm512_extracti32x4_epi32(tags, 3));
}

CULVERT_VAES_INLINE void write_tags(SmallSealed& sealed) {
  if (sealed.jobs == nullptr) return;
  __m128i tags[kSmallTogether];
  tags_of(reversed(hash_small(sealed.jobs, sealed.hashed)), sealed.mask_of_tag, tags);
  CULVERT_UNROLL
  for (size_t i = 0; i < kSmallTogether; ++i)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(sealed.jobs[i]->tag), tags[i]);
  sealed.jobs = nullptr;
}

/// Seals four jobs of at most kSmallBytes each, and writes the tags of the four before.
template <int kRounds>
CULVERT_VAES_INLINE void seal_small(Job* const* jobs, SmallSealed& before) {
  SmallPackets packets(jobs);
  write_tags(before);
  packets.encrypt<kRounds>();
  before.jobs = jobs;
  CULVERT_UNROLL
  for (size_t i = 0; i < kSmallTogether; ++i) {
    before.hashed[i] = reversed(_mm512_maskz_mov_epi8(packets.present[i], packets.stream[i]));
    before.mask_of_tag[i] = packets.mask_of_tag[i];
  }
}

/// Opens four jobs of at most kSmallBytes each.
template <int kRounds>
CULVERT_VAES_INLINE void open_small(Job* const* jobs) {
  SmallPackets packets(jobs);
  __m512i hashed[kSmallTogether];
  CULVERT_UNROLL
  for (size_t i = 0; i < kSmallTogether; ++i) hashed[i] = reversed(packets.text[i]);
  __m512i hash = reversed(hash_small(jobs, hashed));
  packets.encrypt<kRounds>();
  __m128i tags[kSmallTogether];
  tags_of(hash, packets.mask_of_tag, tags);
  CULVERT_UNROLL
  for (size_t i = 0; i < kSmallTogether; ++i) {
    __m128i difference = _mm_xor_si128(tags[i], load(jobs[i]->tag));
    jobs[i]->authentic = _mm_testz_si128(difference, difference) != 0;
  }
}

}  // namespace culvert::aead::vaes
