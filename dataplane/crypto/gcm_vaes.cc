#include "dataplane/crypto/gcm_vaes.h"

#include <cpuid.h>
#include <immintrin.h>

#include "dataplane/crypto/aead.h"

// The rest of the file uses these instructions; everything included above must not, or the linker could take such a
// copy of an inline function for CPUs that lack them.
#if defined(__clang__)
#pragma clang attribute push(                                                                           \
    __attribute__((target("avx2,avx512f,avx512bw,avx512dq,avx512vl,aes,pclmul,vaes,vpclmulqdq,bmi2"))), \
    apply_to = function)
#else
// GCC 12 takes the undefined vectors inside its own intrinsics for ours (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC push_options
#pragma GCC target("avx2,avx512f,avx512bw,avx512dq,avx512vl,aes,pclmul,vaes,vpclmulqdq,bmi2")
#endif
#define CULVERT_INLINE inline __attribute__((always_inline))
// Vectors live in arrays that must become registers, at every optimisation level that optimises.
#define CULVERT_UNROLL _Pragma("GCC unroll 16")

namespace culvert::aead {
namespace {

/// Vectors of four blocks that go through AES together: enough to cover the latency of a round.
constexpr int kGroup = 8;
constexpr uint32_t kGroupBytes = 64 * kGroup;
/// The last group takes up to this much, so that behind a full group there are always four blocks or more, one for each
/// lane of the running hash.
constexpr uint32_t kLastBytes = kGroupBytes + 64;
static_assert(GcmVaesKey::kPowers >= kLastBytes / 16 + 2,
              "a last group's blocks, the AAD before and the lengths behind");

CULVERT_INLINE __m128i load(const uint8_t* bytes) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
}
CULVERT_INLINE __m128i reversed_order() {
  return _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}
CULVERT_INLINE __m128i reversed(__m128i block) {
  return _mm_shuffle_epi8(block, reversed_order());
}
CULVERT_INLINE __m512i reversed(__m512i blocks) {
  return _mm512_shuffle_epi8(blocks, _mm512_broadcast_i32x4(reversed_order()));
}
CULVERT_INLINE __m512i round_key(const GcmVaesKey& key, int round) {
  return _mm512_broadcast_i32x4(load(key.round[static_cast<size_t>(round)].data()));
}

// ---- GHASH
// Products are kept unreduced, as low, middle and high parts, and reduced once for many blocks.

/// x^63 + x^62 + x^57: the reflected polynomial without its highest terms.
constexpr long long kPolynomial = static_cast<long long>(0xC200000000000000ull);

struct Product {
  __m128i low, middle, high;
};
struct Products {
  __m512i low, middle, high;
};

CULVERT_INLINE const uint8_t* power(const GcmVaesKey& key, uint32_t n) {
  return key.powers[GcmVaesKey::kPowers - n].data();
}
/// H^n, H^(n-1), H^(n-2), H^(n-3)
CULVERT_INLINE __m512i falling_powers(const GcmVaesKey& key, uint32_t n) {
  return _mm512_loadu_si512(power(key, n));
}
/// H^n in every lane
CULVERT_INLINE __m512i one_power(const GcmVaesKey& key, uint32_t n) {
  return _mm512_broadcast_i32x4(load(power(key, n)));
}

CULVERT_INLINE Product multiply(__m128i a, __m128i b) {
  return {_mm_clmulepi64_si128(a, b, 0x00),
          _mm_xor_si128(_mm_clmulepi64_si128(a, b, 0x01), _mm_clmulepi64_si128(a, b, 0x10)),
          _mm_clmulepi64_si128(a, b, 0x11)};
}
CULVERT_INLINE Products multiply(__m512i a, __m512i b) {
  return {_mm512_clmulepi64_epi128(a, b, 0x00),
          _mm512_xor_si512(_mm512_clmulepi64_epi128(a, b, 0x01), _mm512_clmulepi64_epi128(a, b, 0x10)),
          _mm512_clmulepi64_epi128(a, b, 0x11)};
}
CULVERT_INLINE void multiply_add(Products& sum, __m512i a, __m512i b) {
  constexpr int kXor3 = 0x96;
  sum.low = _mm512_xor_si512(sum.low, _mm512_clmulepi64_epi128(a, b, 0x00));
  sum.middle = _mm512_ternarylogic_epi64(sum.middle, _mm512_clmulepi64_epi128(a, b, 0x01),
                                         _mm512_clmulepi64_epi128(a, b, 0x10), kXor3);
  sum.high = _mm512_xor_si512(sum.high, _mm512_clmulepi64_epi128(a, b, 0x11));
}

CULVERT_INLINE __m128i reduce(const Product& product) {
  const __m128i polynomial = _mm_set_epi64x(0, kPolynomial);
  __m128i low = _mm_xor_si128(product.low, _mm_slli_si128(product.middle, 8));
  __m128i high = _mm_xor_si128(product.high, _mm_srli_si128(product.middle, 8));
  low = _mm_xor_si128(_mm_shuffle_epi32(low, 0x4E), _mm_clmulepi64_si128(low, polynomial, 0x00));
  low = _mm_xor_si128(_mm_shuffle_epi32(low, 0x4E), _mm_clmulepi64_si128(low, polynomial, 0x00));
  return _mm_xor_si128(low, high);
}
/// The same in each of four lanes.
CULVERT_INLINE __m512i reduce(const Products& products) {
  const __m512i polynomial = _mm512_broadcast_i32x4(_mm_set_epi64x(0, kPolynomial));
  constexpr auto kSwapHalves = static_cast<_MM_PERM_ENUM>(0x4E);
  __m512i low = _mm512_xor_si512(products.low, _mm512_bslli_epi128(products.middle, 8));
  __m512i high = _mm512_xor_si512(products.high, _mm512_bsrli_epi128(products.middle, 8));
  low = _mm512_xor_si512(_mm512_shuffle_epi32(low, kSwapHalves), _mm512_clmulepi64_epi128(low, polynomial, 0x00));
  low = _mm512_xor_si512(_mm512_shuffle_epi32(low, kSwapHalves), _mm512_clmulepi64_epi128(low, polynomial, 0x00));
  return _mm512_xor_si512(low, high);
}
CULVERT_INLINE __m128i sum_of_lanes(__m512i lanes) {
  __m256i halves = _mm256_xor_si256(_mm512_castsi512_si256(lanes), _mm512_extracti64x4_epi64(lanes, 1));
  return _mm_xor_si128(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));
}

// A running hash of four lanes: lane i stands where block i of the next vector will be added to it.

/// The term of one vector out of a full group, `index` counted from its start.
CULVERT_INLINE void absorb_vector(Products& sum, const GcmVaesKey& key, __m512i blocks, int index) {
  multiply_add(sum, blocks, one_power(key, static_cast<uint32_t>(4 * (kGroup - index))));
}
CULVERT_INLINE __m512i absorb_group(const GcmVaesKey& key, __m512i hash, const __m512i (&blocks)[kGroup]) {
  Products sum = multiply(_mm512_xor_si512(blocks[0], hash), one_power(key, 4 * kGroup));
  CULVERT_UNROLL
  for (int i = 1; i < kGroup; ++i) absorb_vector(sum, key, blocks[i], i);
  return reduce(sum);
}

// ---- Counter mode

/// Counter blocks `first`, `first` + 1, … behind the nonce (whose last four bytes are zero).
template <int kVectors>
CULVERT_INLINE void counters(__m128i nonce, uint32_t first, __m512i (&out)[kVectors]) {
  const __m512i lane = _mm512_set_epi32(3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0);
  if ((first & 0xFF) + 4 * kVectors <= 256) [[likely]] {  // only the last byte of the big-endian counter changes
    __m512i block = _mm512_broadcast_i32x4(_mm_insert_epi32(nonce, static_cast<int>(__builtin_bswap32(first)), 3));
    block = _mm512_add_epi32(block, _mm512_slli_epi32(lane, 24));
    const __m512i four = _mm512_broadcast_i32x4(_mm_set_epi32(4 << 24, 0, 0, 0));
    CULVERT_UNROLL
    for (int i = 0; i < kVectors; ++i, block = _mm512_add_epi32(block, four)) out[i] = block;
    return;
  }
  const __m512i swap = _mm512_broadcast_i32x4(_mm_set_epi8(12, 13, 14, 15, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
  CULVERT_UNROLL
  for (int i = 0; i < kVectors; ++i) {
    __m128i start = _mm_insert_epi32(nonce, static_cast<int>(first + static_cast<uint32_t>(4 * i)), 3);
    out[i] = _mm512_shuffle_epi8(_mm512_add_epi32(_mm512_broadcast_i32x4(start), lane), swap);
  }
}

template <int kRounds, int kVectors>
CULVERT_INLINE void encrypt(const GcmVaesKey& key, __m512i (&blocks)[kVectors]) {
  CULVERT_UNROLL
  for (auto& block : blocks) block = _mm512_xor_si512(block, round_key(key, 0));
  CULVERT_UNROLL
  for (int round = 1; round < kRounds; ++round) {
    CULVERT_UNROLL
    for (auto& block : blocks) block = _mm512_aesenc_epi128(block, round_key(key, round));
  }
  CULVERT_UNROLL
  for (auto& block : blocks) block = _mm512_aesenclast_epi128(block, round_key(key, kRounds));
}

/// encrypt(), and beside it absorb_group() of other blocks.
template <int kRounds>
CULVERT_INLINE __m512i encrypt_and_absorb(const GcmVaesKey& key, __m512i (&blocks)[kGroup], __m512i hash,
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

template <int kRounds>
CULVERT_INLINE __m128i encrypt(const GcmVaesKey& key, __m128i block) {
  block = _mm_xor_si128(block, load(key.round[0].data()));
  CULVERT_UNROLL
  for (int round = 1; round < kRounds; ++round)
    block = _mm_aesenc_si128(block, load(key.round[static_cast<size_t>(round)].data()));
  return _mm_aesenclast_si128(block, load(key.round[kRounds].data()));
}

// ---- A packet

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
CULVERT_INLINE void groups(const GcmVaesKey& key, __m128i nonce, Progress& at) {
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

/// What is left, in kVectors vectors of which the last may be partial, and the block of lengths. Returns GHASH.
template <int kRounds, bool kSeal, int kVectors>
CULVERT_INLINE __m128i last(const GcmVaesKey& key, __m128i nonce, const Progress& at, const Job& job) {
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
  auto total = [](__m512i lanes, __m128i a, __m128i b) {
    return _mm_xor_si128(sum_of_lanes(lanes), _mm_xor_si128(a, b));
  };
  return reduce(Product{total(sum.low, edges.low, tail.low), total(sum.middle, edges.middle, tail.middle),
                        total(sum.high, edges.high, tail.high)});
}

template <int kRounds, bool kSeal>
CULVERT_INLINE __m128i tag_of(const Job& job) {
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

template <int kRounds>
void seal_all(Job* jobs, size_t count) {
  for (size_t i = 0; i < count; ++i)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(jobs[i].tag), tag_of<kRounds, true>(jobs[i]));
}

template <int kRounds>
void open_all(Job* jobs, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    __m128i difference = _mm_xor_si128(tag_of<kRounds, false>(jobs[i]), load(jobs[i].tag));
    jobs[i].authentic = _mm_testz_si128(difference, difference) != 0;
  }
}

/// The hash key as the reflected multiplication wants it: times x.
__m128i doubled(__m128i h) {
  uint64_t low = static_cast<uint64_t>(_mm_extract_epi64(h, 0));
  uint64_t high = static_cast<uint64_t>(_mm_extract_epi64(h, 1));
  uint64_t carry = 0 - (high >> 63);
  high = high << 1 | low >> 63;
  low = low << 1;
  return _mm_set_epi64x(static_cast<long long>(high ^ (carry & 0xC200000000000000ull)),
                        static_cast<long long>(low ^ (carry & 1)));
}

template <int kRounds>
void fill_powers(GcmVaesKey& key) {
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

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

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
