#include "dataplane/crypto/gcm_vaes.h"

#include <cpuid.h>

#include <algorithm>

#include "dataplane/crypto/aead.h"
#include "dataplane/crypto/gcm_small_vaes.h"
#include "dataplane/crypto/hash_beside_vaes.h"

namespace culvert::aead {
namespace {

using namespace vaes;  // NOLINT(google-build-using-namespace): the two halves of what stands here

/// Where a packet stands.
struct Progress {
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

/// Full groups, as long as more than a last group is left. Sealing leaves the ciphertext of the last one in `hashed`,
/// not absorbed yet, and what belongs in front of it in `before`.
template <int kRounds, bool kSeal>
CULVERT_VAES_INLINE void groups(const GcmVaesKey& key, __m128i nonce, Progress& at, __m512i (&hashed)[kGroup],
                                Products& before) {
  before = aad_before_group(key, at.aad);
  at.aad = _mm_setzero_si128();
  for (bool first = true; at.left > kLastBytes; first = false) {
    __m512i blocks[kGroup];
    counters(nonce, at.counter, blocks);
    if constexpr (!kSeal) {
      CULVERT_UNROLL
      for (int i = 0; i < kGroup; ++i) hashed[i] = reversed(_mm512_loadu_si512(at.text + 64 * i));
    }
    // Opening hashes the group it decrypts; sealing, the one before, whose ciphertext is there.
    if (kSeal && first) {
      Hashing<0> nothing(Products{});
      encrypt_beside<kRounds>(key, blocks, nothing, NoTerm{}, at.ahead);
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
CULVERT_VAES_INLINE Products edges(const GcmVaesKey& key, const Progress& at, const Job& job, uint32_t blocks) {
  __m128i lengths = _mm_set_epi64x(static_cast<long long>(uint64_t{job.aad_length} * 8),
                                   static_cast<long long>(uint64_t{job.length} * 8));
  __m512i both = _mm512_inserti32x4(_mm512_zextsi128_si512(lengths), at.aad, 1);
  __m512i powers =
      _mm512_mask_broadcast_i32x4(_mm512_zextsi128_si512(load(power(key, 1))), 0x00F0, load(power(key, blocks + 2)));
  return multiply(both, powers);
}

/// What is left, in kVectors vectors of which the last may be partial, and the block of lengths. Returns GHASH.
template <int kRounds, bool kSeal, int kVectors, bool kPending>
CULVERT_VAES_INLINE __m128i last(const GcmVaesKey& key, __m128i nonce, Progress& at, const Job& job,
                                 const __m512i (&pending)[kGroup], const Products& before) {
  constexpr int kLast = kVectors - 1;
  __mmask64 present = _bzhi_u64(~uint64_t{0}, at.left - 64 * kLast);
  uint32_t count = (at.left + 15) / 16;
  __m512i stream[kVectors], hashed[kVectors];
  counters(nonce, at.counter, stream);
  Hashing<kVectors> hashing(edges(key, at, job, count));
  LastTerm<kVectors> term{key, hashed, at.hash, count};
  if constexpr (!kSeal) {
    CULVERT_UNROLL
    for (int i = 0; i < kVectors; ++i)
      hashed[i] = reversed(i == kLast ? _mm512_maskz_loadu_epi8(present, at.text + 64 * i)
                                      : _mm512_loadu_si512(at.text + 64 * i));
    encrypt_beside<kRounds>(key, stream, hashing, term, at.ahead);
  } else if constexpr (kPending) {
    Hashing<kGroup> group(before);
    encrypt_beside<kRounds>(key, stream, group, GroupTerm{key, pending, at.hash}, at.ahead);
    at.hash = reduce(group.sum());
  } else {
    Hashing<0> nothing(Products{});
    encrypt_beside<kRounds>(key, stream, nothing, NoTerm{}, at.ahead);
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
  if constexpr (kSeal) hashing.all(term);
  const Products& sum = hashing.sum();
  return reduce(Product{sum_of_lanes(sum.low), sum_of_lanes(sum.middle), sum_of_lanes(sum.high)});
}

template <int kRounds, bool kSeal, bool kPending>
CULVERT_VAES_INLINE __m128i last_of_any_size(const GcmVaesKey& key, __m128i nonce, Progress& at, const Job& job,
                                             const __m512i (&pending)[kGroup], const Products& before) {
  switch ((at.left + 63) / 64) {
#define CULVERT_LAST(n) \
  case n:               \
    if constexpr (n <= kGroup + 1) return last<kRounds, kSeal, n, kPending>(key, nonce, at, job, pending, before);
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
  return last<kRounds, kSeal, 1, kPending>(key, nonce, at, job, pending, before);
}

template <int kRounds, bool kSeal>
CULVERT_VAES_INLINE __m128i tag_of(const Job& job, const Job& next) {
  const GcmVaesKey& key = job.key->gcm_vaes;
  __m128i nonce = _mm_maskz_loadu_epi32(7, job.nonce.data());
  __m128i mask_of_tag = encrypt<kRounds>(key, _mm_insert_epi32(nonce, static_cast<int>(__builtin_bswap32(1)), 3));
  auto aad_mask = static_cast<__mmask16>(_bzhi_u32(0xFFFF, job.aad_length));
  Progress at{
      job.text, next.text, job.length, 2, _mm512_setzero_si512(), reversed(_mm_maskz_loadu_epi8(aad_mask, job.aad))};
  __m512i pending[kGroup];
  Products before;
  __m128i hash;
  if (at.left > kLastBytes) {
    groups<kRounds, kSeal>(key, nonce, at, pending, before);
    hash = last_of_any_size<kRounds, kSeal, kSeal>(key, nonce, at, job, pending, before);
  } else {
    hash = last_of_any_size<kRounds, kSeal, false>(key, nonce, at, job, pending, before);
  }
  return _mm_xor_si128(reversed(hash), mask_of_tag);
}

/// Text that comes from memory is on its way while the packets before are worked on: a packet of 1400 bytes is too
/// short for the CPU to see by itself how it goes on, and too long for its window to reach into the next one.
CULVERT_VAES_INLINE void prefetch_start(const Job& job) {
  uint32_t end = job.length - (job.length != 0);
  for (uint32_t line = 0; line < kPaced - 1; ++line) __builtin_prefetch(job.text + std::min(64 * line, end));
}

template <int kRounds, bool kSeal>
CULVERT_VAES_INLINE void crypt_one(Job& job, const Job& next) {
  __m128i tag = tag_of<kRounds, kSeal>(job, next);
  if constexpr (kSeal) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(job.tag), tag);
  } else {
    __m128i difference = _mm_xor_si128(tag, load(job.tag));
    job.authentic = _mm_testz_si128(difference, difference) != 0;
  }
}

/// Likewise a long packet's hash powers, most of which aead::prefetch() leaves out, when they are not this packet's as
/// well.
CULVERT_VAES_INLINE void prefetch_powers(const Job& job, const Job& before) {
  if (job.length <= kGroupBytes || job.key == before.key) return;
  const uint8_t* last = power(job.key->gcm_vaes, 5);  // these and four more are there
  CULVERT_UNROLL
  for (int line = 2; line <= 9; ++line) __builtin_prefetch(last - 64 * line);
}

/// One after another, each beside the end of the one before.
template <int kRounds, bool kSeal>
CULVERT_VAES void crypt_singly(Job* jobs, size_t count) {
  constexpr size_t kAhead = 2;
  for (size_t i = 0; i < std::min(count, kAhead); ++i) prefetch_start(jobs[i]);
  for (size_t i = 0; i < count; ++i) {
    if (i + kAhead < count) prefetch_start(jobs[i + kAhead]);
    const Job& next = jobs[std::min(i + 1, count - 1)];
    prefetch_powers(next, jobs[i]);
    crypt_one<kRounds, kSeal>(jobs[i], next);
  }
}

/// `count`: a multiple of kSmallTogether.
template <int kRounds, bool kSeal>
CULVERT_VAES void crypt_small(Job* jobs, size_t count) {
  SmallSealed sealed;
  for (size_t i = 0; i < count; i += kSmallTogether) {
    if constexpr (kSeal)
      seal_small<kRounds>(jobs + i, sealed);
    else
      open_small<kRounds>(jobs + i);
  }
  if constexpr (kSeal) write_tags(sealed);
}

bool are_small(const Job* jobs) {
  uint32_t longest = 0;
  for (size_t i = 0; i < kSmallTogether; ++i) longest = std::max(longest, jobs[i].length);
  return longest <= kSmallBytes;
}

/// The jobs in order, small ones four at a time.
template <int kRounds, bool kSeal>
void crypt_all(std::span<Job> jobs) {
  for (Job *job = jobs.data(), *end = job + jobs.size(); job != end;) {
    auto small_at = [&](const Job* at) { return at + kSmallTogether <= end && are_small(at); };
    Job* from = job;
    while (small_at(job)) job += kSmallTogether;
    if (job != from) crypt_small<kRounds, kSeal>(from, static_cast<size_t>(job - from));
    from = job;
    while (job != end && !small_at(job)) ++job;
    if (job != from) crypt_singly<kRounds, kSeal>(from, static_cast<size_t>(job - from));
  }
}

/// The hash key as the reflected multiplication wants it: times x.
CULVERT_VAES __m128i doubled(__m128i h) {
  uint64_t low = static_cast<uint64_t>(_mm_extract_epi64(h, 0));
  uint64_t high = static_cast<uint64_t>(_mm_extract_epi64(h, 1));
  uint64_t carry = 0 - (high >> 63);
  high = high << 1 | low >> 63;
  low = low << 1;
  return _mm_set_epi64x(static_cast<long long>(high ^ (carry & 0xC200000000000000ull)),
                        static_cast<long long>(low ^ (carry & 1)));
}

template <int kRounds>
CULVERT_VAES void fill_powers(GcmVaesKey& key) {
  __m128i h = doubled(reversed(encrypt<kRounds>(key, _mm_setzero_si128())));
  __m128i now = h;
  key.powers = {};
  for (size_t i = GcmVaesKey::kPowers; i-- > 0; now = reduce(multiply(now, h)))
    _mm_storeu_si128(reinterpret_cast<__m128i*>(key.powers[i].data()), now);
}

}  // namespace

void gcm_vaes_expand(AesRounds rounds, GcmVaesKey& key) {
  switch (rounds) {
    case AesRounds::k10:
      return fill_powers<10>(key);
    case AesRounds::k12:
      return fill_powers<12>(key);
    case AesRounds::k14:
      return fill_powers<14>(key);
  }
}

bool gcm_vaes_supported() {
  // The compilers' names for features cover AVX-512 (and whether the system saves its registers), but not both of
  // these.
  constexpr unsigned kVaes = 1u << 9, kVpclmulqdq = 1u << 10;  // CPUID leaf 7, ECX
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  if ((ecx & kVaes) == 0 || (ecx & kVpclmulqdq) == 0) return false;
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("aes") &&
         __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("bmi2");
}

void gcm_vaes_seal(AesRounds rounds, std::span<Job> jobs) {
  switch (rounds) {
    case AesRounds::k10:
      return crypt_all<10, true>(jobs);
    case AesRounds::k12:
      return crypt_all<12, true>(jobs);
    case AesRounds::k14:
      return crypt_all<14, true>(jobs);
  }
}

void gcm_vaes_open(AesRounds rounds, std::span<Job> jobs) {
  switch (rounds) {
    case AesRounds::k10:
      return crypt_all<10, false>(jobs);
    case AesRounds::k12:
      return crypt_all<12, false>(jobs);
    case AesRounds::k14:
      return crypt_all<14, false>(jobs);
  }
}

}  // namespace culvert::aead
