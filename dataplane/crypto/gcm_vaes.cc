#include "dataplane/crypto/gcm_vaes.h"

#include <cpuid.h>

#include "dataplane/crypto/aead.h"
#include "dataplane/crypto/ctr_vaes.h"
#include "dataplane/crypto/ghash_vaes.h"

namespace culvert::aead {
namespace {

using namespace vaes;  // NOLINT(google-build-using-namespace): the two halves of what stands here

/// encrypt(), and beside it absorb_group() of other blocks.
template <int kRounds>
CULVERT_VAES_INLINE __m512i encrypt_and_absorb(const GcmVaesKey& key, __m512i (&blocks)[kGroup], __m512i hash,
                                               const __m512i (&hashed)[kGroup]) {
  CULVERT_UNROLL
  for (auto& block : blocks) block = _mm512_xor_si512(block, round_key(key, 0));
  Products sum = multiply(_mm512_xor_si512(hashed[0], hash), one_power(key, 4 * kGroup));
  CULVERT_UNROLL
  for (int round = 1; round < kRounds; ++round) {
    CULVERT_UNROLL
    for (auto& block : blocks) block = _mm512_aesenc_epi128(block, round_key(key, round));
    if (round < kGroup) absorb_vector(sum, key, hashed[round], round);
  }
  CULVERT_UNROLL
  for (auto& block : blocks) block = _mm512_aesenclast_epi128(block, round_key(key, kRounds));
  return reduce(sum);
}

/// Where a packet stands.
struct Progress {
  uint8_t* text;
  uint32_t left;
  uint32_t counter;  ///< of the next block
  __m512i hash;
  __m128i aad;  ///< not hashed yet, byte-reversed; zero when it is
};

/// Full groups, as long as more than a last group is left.
template <int kRounds, bool kSeal>
CULVERT_VAES_INLINE void groups(const GcmVaesKey& key, __m128i nonce, Progress& at) {
  at.hash = _mm512_zextsi128_si512(reduce(multiply(at.aad, load(power(key, 1)))));
  at.aad = _mm_setzero_si128();
  __m512i hashed[kGroup];
  for (bool first = true; at.left > kLastBytes; first = false) {
    __m512i blocks[kGroup];
    counters(nonce, at.counter, blocks);
    if constexpr (!kSeal) {
      CULVERT_UNROLL
      for (int i = 0; i < kGroup; ++i) hashed[i] = reversed(_mm512_loadu_si512(at.text + 64 * i));
    }
    // Opening hashes the group it decrypts; sealing, the one before, whose ciphertext is there.
    if (kSeal && first)
      encrypt<kRounds>(key, blocks);
    else
      at.hash = encrypt_and_absorb<kRounds>(key, blocks, at.hash, hashed);
    CULVERT_UNROLL
    for (int i = 0; i < kGroup; ++i) {
      __m512i out = _mm512_xor_si512(_mm512_loadu_si512(at.text + 64 * i), blocks[i]);
      _mm512_storeu_si512(at.text + 64 * i, out);
      if constexpr (kSeal) hashed[i] = reversed(out);
    }
    at.text += kGroupBytes;
    at.left -= kGroupBytes;
    at.counter += 4 * kGroup;
  }
  if constexpr (kSeal) at.hash = absorb_group(key, at.hash, hashed);
}

CULVERT_VAES_INLINE __m128i total(__m512i lanes, __m128i a, __m128i b) {
  return _mm_xor_si128(sum_of_lanes(lanes), _mm_xor_si128(a, b));
}

/// What is left, in kVectors vectors of which the last may be partial, and the block of lengths. Returns GHASH.
template <int kRounds, bool kSeal, int kVectors>
CULVERT_VAES_INLINE __m128i last(const GcmVaesKey& key, __m128i nonce, const Progress& at, const Job& job) {
  constexpr int kLast = kVectors - 1;
  __mmask64 present = _bzhi_u64(~uint64_t{0}, at.left - 64 * kLast);
  uint32_t blocks = (at.left + 15) / 16;
  __m512i stream[kVectors];
  counters(nonce, at.counter, stream);
  encrypt<kRounds>(key, stream);

  __m128i lengths = _mm_set_epi64x(static_cast<long long>(uint64_t{job.aad_length} * 8),
                                   static_cast<long long>(uint64_t{job.length} * 8));
  Product edges = multiply(at.aad, load(power(key, blocks + 2)));
  Product tail = multiply(lengths, load(power(key, 1)));
  Products sum{};
  CULVERT_UNROLL
  for (int i = 0; i < kVectors; ++i) {
    __mmask64 mask = i == kLast ? present : ~uint64_t{0};
    __m512i in = _mm512_maskz_loadu_epi8(mask, at.text + 64 * i);
    __m512i out = _mm512_maskz_mov_epi8(mask, _mm512_xor_si512(in, stream[i]));
    _mm512_mask_storeu_epi8(at.text + 64 * i, mask, out);
    __m512i hashed = reversed(kSeal ? out : in);
    if (i == 0)
      sum = multiply(_mm512_xor_si512(hashed, at.hash), falling_powers(key, blocks + 1));
    else
      multiply_add(sum, hashed, falling_powers(key, blocks + 1 - static_cast<uint32_t>(4 * i)));
  }
  return reduce(Product{total(sum.low, edges.low, tail.low), total(sum.middle, edges.middle, tail.middle),
                        total(sum.high, edges.high, tail.high)});
}

template <int kRounds, bool kSeal>
CULVERT_VAES_INLINE __m128i tag_of(const Job& job) {
  const GcmVaesKey& key = job.key->gcm_vaes;
  __m128i nonce = _mm_maskz_loadu_epi32(7, job.nonce.data());
  __m128i mask_of_tag = encrypt<kRounds>(key, _mm_insert_epi32(nonce, static_cast<int>(__builtin_bswap32(1)), 3));
  auto aad_mask = static_cast<__mmask16>(_bzhi_u32(0xFFFF, job.aad_length));
  Progress at{job.text, job.length, 2, _mm512_setzero_si512(), reversed(_mm_maskz_loadu_epi8(aad_mask, job.aad))};
  if (at.left > kLastBytes) groups<kRounds, kSeal>(key, nonce, at);
  __m128i hash;
  switch ((at.left + 63) / 64) {
#define CULVERT_LAST(n)                                  \
  case n:                                                \
    hash = last<kRounds, kSeal, n>(key, nonce, at, job); \
    break;
    CULVERT_LAST(2)
    CULVERT_LAST(3)
    CULVERT_LAST(4)
    CULVERT_LAST(5)
    CULVERT_LAST(6)
    CULVERT_LAST(7)
    CULVERT_LAST(8)
    CULVERT_LAST(9)
#undef CULVERT_LAST
    default:
      hash = last<kRounds, kSeal, 1>(key, nonce, at, job);
  }
  return _mm_xor_si128(reversed(hash), mask_of_tag);
}

/// Text that comes from memory is on its way while the packets before are worked on: a packet of 1400 bytes is too short
/// for the CPU to see by itself how it goes on, and too long for its window to reach into the next one.
class TextPrefetch {
 public:
  TextPrefetch(const Job* jobs, size_t count) : next_(jobs), end_(jobs + count) {
    for (size_t i = 0; i < kAhead; ++i) advance();
  }
  void advance() {
    if (next_ == end_) return;
    constexpr uint32_t kLine = 64;
    for (uint32_t at = 0; at < next_->length + kLine; at += kLine) __builtin_prefetch(next_->text + at);
    ++next_;
  }

 private:
  static constexpr size_t kAhead = 2;  ///< packets
  const Job* next_;
  const Job* end_;
};

template <int kRounds>
CULVERT_VAES void seal_all(Job* jobs, size_t count) {
  TextPrefetch prefetch(jobs, count);
  for (size_t i = 0; i < count; ++i) {
    prefetch.advance();
    _mm_storeu_si128(reinterpret_cast<__m128i*>(jobs[i].tag), tag_of<kRounds, true>(jobs[i]));
  }
}

template <int kRounds>
CULVERT_VAES void open_all(Job* jobs, size_t count) {
  TextPrefetch prefetch(jobs, count);
  for (size_t i = 0; i < count; ++i) {
    prefetch.advance();
    __m128i difference = _mm_xor_si128(tag_of<kRounds, false>(jobs[i]), load(jobs[i].tag));
    jobs[i].authentic = _mm_testz_si128(difference, difference) != 0;
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
      return seal_all<10>(jobs.data(), jobs.size());
    case AesRounds::k12:
      return seal_all<12>(jobs.data(), jobs.size());
    case AesRounds::k14:
      return seal_all<14>(jobs.data(), jobs.size());
  }
}

void gcm_vaes_open(AesRounds rounds, std::span<Job> jobs) {
  switch (rounds) {
    case AesRounds::k10:
      return open_all<10>(jobs.data(), jobs.size());
    case AesRounds::k12:
      return open_all<12>(jobs.data(), jobs.size());
    case AesRounds::k14:
      return open_all<14>(jobs.data(), jobs.size());
  }
}

}  // namespace culvert::aead
