#include "dataplane/crypto/gcm_vaes.h"

#include <cpuid.h>

#include <algorithm>

#include "dataplane/crypto/aead.h"
#include "dataplane/crypto/by_size.h"
#include "dataplane/crypto/gcm_one_vaes.h"
#include "dataplane/crypto/gcm_small_vaes.h"

namespace culvert::aead {
namespace {

using namespace vaes;  // NOLINT(google-build-using-namespace): the two halves of what stands here

/// Text that comes from memory is on its way while the packets before are worked on: a packet of 1400 bytes is too
/// short for the CPU to see by itself how it goes on, and too long for its window to reach into the next one.
CULVERT_VAES_INLINE void prefetch_start(const Job& job) {
  uint32_t end = job.length - (job.length != 0);
  for (uint32_t line = 0; line < kPaced - 1; ++line) __builtin_prefetch(job.text + std::min(64 * line, end));
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
CULVERT_VAES void crypt_singly(std::span<Job* const> jobs) {
  constexpr size_t kAhead = 2;
  const size_t count = jobs.size();
  Unhashed unhashed;
  for (size_t i = 0; i < std::min(count, kAhead); ++i) prefetch_start(*jobs[i]);
  for (size_t i = 0; i < count; ++i) {
    if (i + kAhead < count) prefetch_start(*jobs[i + kAhead]);
    const Job& next = *jobs[std::min(i + 1, count - 1)];
    prefetch_powers(next, *jobs[i]);
    crypt_one<kRounds, kSeal>(*jobs[i], next, unhashed);
  }
  unhashed.hash_alone();
}

/// kSmallTogether at a time.
template <int kRounds, bool kSeal>
CULVERT_VAES void crypt_small(std::span<Job* const> jobs) {
  SmallSealed sealed;
  for (size_t i = 0; i < jobs.size(); i += kSmallTogether) {
    if constexpr (kSeal)
      seal_small<kRounds>(&jobs[i], sealed);
    else
      open_small<kRounds>(&jobs[i]);
  }
  if constexpr (kSeal) write_tags(sealed);
}

/// Middling: what goes through AES at once, up to a last group.
using Sorted = BySize<kSmallBytes, kLastBytes, kSmallTogether>;

/// Small packets go together wherever they stand in a burst.
template <int kRounds, bool kSeal>
void crypt_all(std::span<Job> jobs) {
  Sorted sorted;
  while (!jobs.empty()) {
    std::span<Job> now = jobs.first(std::min(jobs.size(), Sorted::kMost));
    jobs = jobs.subspan(now.size());
    sorted.sort(now);
    if (auto small = sorted.small(); !small.empty()) crypt_small<kRounds, kSeal>(small);
    if (auto middling = sorted.middling(); !middling.empty()) crypt_singly<kRounds, kSeal>(middling);
    if (auto large = sorted.large(); !large.empty()) crypt_singly<kRounds, kSeal>(large);
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
