// AES-GCM on vectors of one or two blocks, without what AVX-512 has: masks and 32 registers. Compiled for each kind:
// include one of gcm_vectors_*.h first. As in gcm_vaes.cc packets of a burst that are alike are one loop without calls,
// so that the CPU has several small ones in flight, and the GHASH of one group of blocks stands beside the AES rounds
// of the next.
//
// Facts: as gcm_vaes.h.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include "dataplane/crypto/aead.h"
#include "dataplane/crypto/by_size.h"
#include "dataplane/crypto/gcm_narrow.h"
#include "dataplane/crypto/gcm_narrow_ends.h"
#include "dataplane/crypto/gcm_narrow_ghash.h"

namespace culvert::aead::CULVERT_GCM_NAMESPACE {

/// Key stream of kVectors vectors from the counter on, and beside it the hash of other blocks. `ahead`: lines that will
/// be wanted soon.
template <int kRounds, int kVectors, int kHashed>
CULVERT_GCM_INLINE void key_stream(const GcmVaesKey& key, Vector& counter, Vector (&stream)[kVectors],
                                   Hashing<kHashed>& hashing, const uint8_t* ahead) {
  const Vector next = every_block(_mm_set_epi32(kVectorBlocks, 0, 0, 0));
  Vector with = round_key(key, 0);
  CULVERT_GCM_UNROLL
  for (auto& block : stream) {
    block = exclusive_or(shuffle(counter, every_block(counter_order())), with);
    counter = add_32(counter, next);
  }
  CULVERT_GCM_UNROLL
  for (int round = 1; round < kRounds; ++round) {
    with = round_key(key, round);
    CULVERT_GCM_UNROLL
    for (auto& block : stream) {
      block = aes_round(block, with);
      // Keeps the compiler from reordering: else it finds no registers for all that it begins.
      __asm__ __volatile__("" : "+x"(block));
    }
    hashing.beside(round, kRounds);
    if (kVectors * kVectorBytes > 64 * static_cast<uint32_t>(round - 1)) __builtin_prefetch(ahead + 64 * (round - 1));
  }
  with = round_key(key, kRounds);
  CULVERT_GCM_UNROLL
  for (auto& block : stream) block = aes_last_round(block, with);
}

CULVERT_GCM_INLINE void apply(uint8_t* text, Vector stream) {
  store_vector(text, exclusive_or(load_vector(text), stream));
}

/// Where a packet stands.
struct Progress {
  uint8_t* text;
  const uint8_t* ahead;  ///< the next packet's text, at the same place
  uint32_t left;         ///< bytes
  Vector counter;        ///< of the next blocks; the 32-bit counter in the CPU's order
  __m128i hash;          ///< of what has been absorbed
  Sum before;            ///< products that belong to it and are not reduced yet
};

CULVERT_GCM_INLINE Sum no_sum() {
  Vector zero = every_block(_mm_setzero_si128());
  return {zero, zero, zero};
}

/// The group of ciphertext at `text`, to be hashed.
CULVERT_GCM_INLINE Hashing<kGroup> group_at(const GcmVaesKey& key, const Progress& at, const uint8_t* text) {
  return {key, text, kGroupBytes / 16, at.hash, at.before};
}
CULVERT_GCM_INLINE void finish_group(Progress& at, const Hashing<kGroup>& hashing) {
  at.hash = reduce(hashing.sum);
  at.before = no_sum();
}

/// Full groups, as long as more than a group is left. Sealing hashes each one later, when its ciphertext is there; the
/// last one is not hashed yet.
template <int kRounds, bool kSeal>
CULVERT_GCM_INLINE void groups(const GcmVaesKey& key, Progress& at) {
  auto advance = [&](auto& hashing) CULVERT_GCM_LAMBDA {
    Vector stream[kGroup];
    key_stream<kRounds>(key, at.counter, stream, hashing, at.ahead);
    CULVERT_GCM_UNROLL
    for (uint32_t i = 0; i < kGroup; ++i) apply(at.text + kVectorBytes * i, stream[i]);
    at.text += kGroupBytes;
    at.ahead += kGroupBytes;
    at.left -= kGroupBytes;
  };
  if constexpr (kSeal) {
    Hashing<0> nothing{key, at.text, 0, at.hash, at.before};
    advance(nothing);
  }
  while (at.left > kGroupBytes) {
    auto hashing = group_at(key, at, kSeal ? at.text - kGroupBytes : at.text);
    advance(hashing);
    finish_group(at, hashing);
  }
}

/// What is left, in kVectors vectors of which the last may be partial, and the block of lengths. kPending: the group
/// before is not hashed yet. Returns GHASH.
template <int kRounds, bool kSeal, int kVectors, bool kPending>
CULVERT_GCM_INLINE __m128i last(const GcmVaesKey& key, Progress& at, __m128i lengths) {
  constexpr uint32_t kFull = kVectors == 0 ? 0 : (kVectors - 1) * kVectorBytes;
  constexpr bool kInFront = kVectors > 1 || kPending;  // a whole vector of text, or more
  const uint32_t part = at.left - kFull;               // bytes of the last vector
  const uint32_t count = (at.left + 15) / 16;
  Sum sum = kPending ? no_sum() : at.before;
  multiply_add(sum, first_block(lengths), first_block(load(power(key, 1))));

  auto add = [&](Vector blocks, uint32_t i) CULVERT_GCM_LAMBDA {
    blocks = every_block_reversed(blocks);
    if (i == 0) blocks = exclusive_or(blocks, first_block(at.hash));
    // Behind the last block stands a power of no block, or of the lengths: those bytes are zero.
    multiply_add(sum, blocks, load_vector(power(key, count + 1 - kVectorBlocks * i)));
  };
  uint8_t* behind = at.text + at.left;
  Vector end;
  if constexpr (kVectors > 0) end = kInFront ? read_end(behind, part) : read_short(at.text, part);
  if constexpr (!kSeal && kVectors > 0) {
    CULVERT_GCM_UNROLL
    for (uint32_t i = 0; i + 1 < kVectors; ++i) add(load_vector(at.text + kVectorBytes * i), i);
    add(end, kVectors - 1);
  }
  if constexpr (kVectors > 0) {
    Vector stream[kVectors];
    if constexpr (kPending) {
      auto hashing = group_at(key, at, at.text - kGroupBytes);
      key_stream<kRounds>(key, at.counter, stream, hashing, at.ahead);
      finish_group(at, hashing);
    } else {
      Hashing<0> nothing{key, at.text, 0, at.hash, at.before};
      key_stream<kRounds>(key, at.counter, stream, nothing, at.ahead);
    }
    CULVERT_GCM_UNROLL
    for (uint32_t i = 0; i + 1 < kVectors; ++i) {
      apply(at.text + kVectorBytes * i, stream[i]);
      if constexpr (kSeal) add(load_vector(at.text + kVectorBytes * i), i);
    }
    end = bit_and(exclusive_or(end, stream[kVectors - 1]), first_bytes(part));
    if constexpr (kInFront)
      write_end(behind, part, load_vector(at.text + kFull - kVectorBytes), end);
    else
      write_short(at.text, part, end);
    if constexpr (kSeal) add(end, kVectors - 1);
  }
  return reduce(sum);
}

template <int kRounds, bool kSeal, bool kPending>
CULVERT_GCM_INLINE __m128i last_of_any_size(const GcmVaesKey& key, Progress& at, __m128i lengths) {
  switch ((at.left + kVectorBytes - 1) / kVectorBytes) {
#define CULVERT_LAST(n) \
  case n:               \
    return last<kRounds, kSeal, n, kPending>(key, at, lengths);
    CULVERT_LAST(1)
    CULVERT_LAST(2)
    CULVERT_LAST(3)
    CULVERT_LAST(4)
    CULVERT_LAST(5)
    CULVERT_LAST(6)
    CULVERT_LAST(7)
    CULVERT_LAST(8)
#undef CULVERT_LAST
  }
  static_assert(kGroup == 8);
  return last<kRounds, kSeal, 0, false>(key, at, lengths);  // no text at all
}

template <int kRounds>
CULVERT_GCM_INLINE __m128i encrypt(const GcmVaesKey& key, __m128i block) {
  block = _mm_xor_si128(block, load(key.round[0].data()));
  CULVERT_GCM_UNROLL
  for (int round = 1; round < kRounds; ++round)
    block = _mm_aesenc_si128(block, load(key.round[static_cast<size_t>(round)].data()));
  return _mm_aesenclast_si128(block, load(key.round[kRounds].data()));
}

/// The nonce, then four bytes of zeros.
CULVERT_GCM_INLINE __m128i nonce_of(const Job& job) {
  int32_t end;
  std::memcpy(&end, job.nonce.data() + 8, sizeof end);
  __m128i start = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(job.nonce.data()));
  return _mm_unpacklo_epi64(start, _mm_cvtsi32_si128(end));
}

/// The AAD, then zeros.
CULVERT_GCM_INLINE __m128i aad_of(const Job& job) {
  if (job.aad_length == 8) return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(job.aad));
  alignas(16) uint8_t aad[16] = {};
  copy_part<16>(aad, job.aad, job.aad_length);
  return load(aad);
}

template <int kRounds, bool kSeal>
CULVERT_GCM_INLINE __m128i tag_of(const Job& job, const Job& next) {
  const GcmVaesKey& key = job.key->gcm_vaes;
  const __m128i nonce = nonce_of(job);
  __m128i mask_of_tag = encrypt<kRounds>(key, _mm_insert_epi32(nonce, 1 << 24, 3));
  const uint32_t blocks_of_first = job.length > kGroupBytes ? kGroupBytes / 16 : (job.length + 15) / 16 + 1;

  Progress at{job.text, next.text, job.length, first_counters(nonce, 2), _mm_setzero_si128(), no_sum()};
  multiply_add(at.before, first_block(reversed(aad_of(job))), first_block(load(power(key, blocks_of_first + 1))));
  __m128i lengths = _mm_set_epi64x(static_cast<long long>(uint64_t{job.aad_length} * 8),
                                   static_cast<long long>(uint64_t{job.length} * 8));
  __m128i hash;
  if (at.left > kGroupBytes) {
    groups<kRounds, kSeal>(key, at);
    hash = last_of_any_size<kRounds, kSeal, kSeal>(key, at, lengths);
  } else {
    hash = last_of_any_size<kRounds, kSeal, false>(key, at, lengths);
  }
  return _mm_xor_si128(reversed(hash), mask_of_tag);
}

/// Text that comes from memory is on its way while the packets before are worked on.
CULVERT_GCM_INLINE void prefetch_start(const Job& job) {
  uint32_t end = job.length - (job.length != 0);
  for (uint32_t line = 0; line < 3; ++line) __builtin_prefetch(job.text + std::min(64 * line, end));
}

/// One after another.
template <int kRounds, bool kSeal>
CULVERT_GCM void crypt_singly(std::span<Job* const> jobs) {
  constexpr size_t kAhead = 2;
  const size_t count = jobs.size();
  for (size_t i = 0; i < std::min(count, kAhead); ++i) prefetch_start(*jobs[i]);
  for (size_t i = 0; i < count; ++i) {
    if (i + kAhead < count) prefetch_start(*jobs[i + kAhead]);
    Job& job = *jobs[i];
    __m128i tag = tag_of<kRounds, kSeal>(job, *jobs[std::min(i + 1, count - 1)]);
    if constexpr (kSeal) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(job.tag), tag);
    } else {
      __m128i difference = _mm_xor_si128(tag, load(job.tag));
      job.authentic = _mm_testz_si128(difference, difference) != 0;
    }
  }
}

/// Acknowledgements, full packets, and what is between them.
using Sorted = BySize<64, 576, 1>;

template <int kRounds, bool kSeal>
void crypt_all(std::span<Job> jobs) {
  Sorted sorted;
  while (!jobs.empty()) {
    std::span<Job> now = jobs.first(std::min(jobs.size(), Sorted::kMost));
    jobs = jobs.subspan(now.size());
    sorted.sort(now);
    for (std::span<Job* const> alike : {sorted.small(), sorted.middling(), sorted.large()})
      if (!alike.empty()) crypt_singly<kRounds, kSeal>(alike);
  }
}

template <int kRounds>
void seal_all(std::span<Job> jobs) {
  crypt_all<kRounds, true>(jobs);
}
template <int kRounds>
void open_all(std::span<Job> jobs) {
  crypt_all<kRounds, false>(jobs);
}

/// Fills in the powers of the hash key, which the reflected multiplication wants times x.
template <int kRounds>
CULVERT_GCM void fill_powers(GcmVaesKey& key) {
  __m128i h = reversed(encrypt<kRounds>(key, _mm_setzero_si128()));
  uint64_t low = static_cast<uint64_t>(_mm_extract_epi64(h, 0)), high = static_cast<uint64_t>(_mm_extract_epi64(h, 1));
  uint64_t carry = 0 - (high >> 63);
  high = (high << 1 | low >> 63) ^ (carry & 0xC200000000000000ull);
  low = low << 1 ^ (carry & 1);
  h = _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low));
  __m128i now = h;
  key.powers = {};
  for (size_t i = GcmVaesKey::kPowers; i-- > 0; now = reduce(multiply(now, h)))
    _mm_storeu_si128(reinterpret_cast<__m128i*>(key.powers[i].data()), now);
}

}  // namespace culvert::aead::CULVERT_GCM_NAMESPACE
