#include "dataplane/crypto/gcm_vaes_cold.h"

#include <sys/mman.h>

#include <algorithm>

#include "dataplane/crypto/gcm_small_vaes.h"
#include "dataplane/crypto/wipe.h"

#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"  // of what vaes.h says, GCC is certain here
#endif

namespace culvert::aead {
namespace {

using namespace vaes;  // NOLINT(google-build-using-namespace): their multiplication

constexpr size_t kLanes = 4;  ///< keys in one vector
constexpr int kRounds = 14;
/// Powers that a packet of kSmallBytes needs: of its blocks, the AAD before and the lengths behind.
constexpr uint32_t kSmallPowers = 6;
/// Powers that a full group is multiplied with, every fourth up to this one, which is the AAD's.
constexpr uint32_t kGroupPowers = 4 * (kGroup + 1);

/// Four keys, and where they go.
struct Four {
  const CompactKey* from[kLanes];
  GcmVaesKey* to[kLanes];
};

/// The same 16 bytes of four keys, each in its lane.
CULVERT_VAES_INLINE __m512i gather(const uint8_t* a, const uint8_t* b, const uint8_t* c, const uint8_t* d) {
  __m512i lanes = _mm512_zextsi128_si512(load(a));
  lanes = _mm512_mask_broadcast_i32x4(lanes, 0x00F0, load(b));
  lanes = _mm512_mask_broadcast_i32x4(lanes, 0x0F00, load(c));
  return _mm512_mask_broadcast_i32x4(lanes, 0xF000, load(d));
}
CULVERT_VAES_INLINE void store(uint8_t* to, __m128i block) {
  _mm_store_si128(reinterpret_cast<__m128i*>(to), block);
}
CULVERT_VAES_INLINE void scatter(__m512i lanes, uint8_t* a, uint8_t* b, uint8_t* c, uint8_t* d) {
  store(a, _mm512_castsi512_si128(lanes));
  store(b, _mm512_extracti32x4_epi32(lanes, 1));
  store(c, _mm512_extracti32x4_epi32(lanes, 2));
  store(d, _mm512_extracti32x4_epi32(lanes, 3));
}
CULVERT_VAES_INLINE void put_round(const Four& keys, int round, __m512i lanes) {
  auto at = [&](size_t i) { return keys.to[i]->round[static_cast<size_t>(round)].data(); };
  scatter(lanes, at(0), at(1), at(2), at(3));
}
CULVERT_VAES_INLINE void put_power(const Four& keys, uint32_t n, __m512i lanes) {
  auto at = [&](size_t i) { return keys.to[i]->powers[GcmVaesKey::kPowers - n].data(); };
  scatter(lanes, at(0), at(1), at(2), at(3));
}

CULVERT_VAES_INLINE __m512i get_power(const Four& keys, uint32_t n) {
  auto at = [&](size_t i) { return keys.to[i]->powers[GcmVaesKey::kPowers - n].data(); };
  return gather(at(0), at(1), at(2), at(3));
}

/// Each word, XORed with all words before it.
CULVERT_VAES_INLINE __m512i running_xor(__m512i words) {
  words = _mm512_xor_si512(words, _mm512_bslli_epi128(words, 4));
  return _mm512_xor_si512(words, _mm512_bslli_epi128(words, 8));
}

// FIPS 197, 5.2, for 256 bits. The last round of AES has SubWord in it: of four equal words, shifting the rows changes
// nothing, and what it adds is Rcon.
template <size_t kFours>
CULVERT_VAES_INLINE void expand_rounds(const Four* keys) {
  const __m512i last_rotated =
      _mm512_broadcast_i32x4(_mm_set_epi8(12, 15, 14, 13, 12, 15, 14, 13, 12, 15, 14, 13, 12, 15, 14, 13));
  const __m512i last =
      _mm512_broadcast_i32x4(_mm_set_epi8(15, 14, 13, 12, 15, 14, 13, 12, 15, 14, 13, 12, 15, 14, 13, 12));
  __m512i even[kFours], odd[kFours];
  CULVERT_UNROLL
  for (size_t i = 0; i < kFours; ++i) {
    auto from = [&](size_t lane, size_t at) { return keys[i].from[lane]->bytes.data() + at; };
    even[i] = gather(from(0, 0), from(1, 0), from(2, 0), from(3, 0));
    odd[i] = gather(from(0, 16), from(1, 16), from(2, 16), from(3, 16));
    put_round(keys[i], 0, even[i]);
    put_round(keys[i], 1, odd[i]);
  }
  CULVERT_UNROLL
  for (int round = 2; round <= kRounds; ++round) {
    const bool is_even = round % 2 == 0;
    const __m512i constant = is_even ? _mm512_set1_epi32(1 << (round / 2 - 1)) : _mm512_setzero_si512();
    CULVERT_UNROLL
    for (size_t i = 0; i < kFours; ++i) {
      __m512i& words = is_even ? even[i] : odd[i];
      __m512i before = is_even ? _mm512_shuffle_epi8(odd[i], last_rotated) : _mm512_shuffle_epi8(even[i], last);
      words = _mm512_xor_si512(running_xor(words), _mm512_aesenclast_epi128(before, constant));
      put_round(keys[i], round, words);
    }
  }
}

/// A square has no middle term, and so takes six instructions where a product takes ten.
CULVERT_VAES_INLINE __m512i squared(__m512i a) {
  return reduce(_mm512_clmulepi64_epi128(a, a, 0x00), _mm512_clmulepi64_epi128(a, a, 0x11));
}

/// H^1 … H^n, n at least kSmallPowers, rounded up to a multiple of 4; with `groups`, every fourth up to kGroupPowers.
template <size_t kFours>
CULVERT_VAES_INLINE void expand_powers(const Four* keys, uint32_t n, bool groups) {
  __m512i four[kFours], last_odd[kFours][2];
  CULVERT_UNROLL
  for (size_t i = 0; i < kFours; ++i) {
    auto from = [&](size_t lane) { return keys[i].from[lane]->hash_key.data(); };
    const __m512i one = gather(from(0), from(1), from(2), from(3));
    const __m512i two = squared(one);
    const __m512i three = reduce(multiply(two, one));
    four[i] = squared(two);
    last_odd[i][0] = one;
    last_odd[i][1] = three;
    const __m512i first[4] = {one, two, three, four[i]};
    CULVERT_UNROLL
    for (uint32_t j = 0; j < 4; ++j) put_power(keys[i], j + 1, first[j]);
  }
  if (n <= kSmallPowers) {
    CULVERT_UNROLL
    for (size_t i = 0; i < kFours; ++i) {
      put_power(keys[i], 5, reduce(multiply(last_odd[i][0], four[i])));
      put_power(keys[i], 6, squared(last_odd[i][1]));
    }
    return;
  }
  uint32_t done = 4;
  for (; done < n; done += 4) {
    CULVERT_UNROLL
    for (size_t i = 0; i < kFours; ++i) {
      CULVERT_UNROLL
      for (uint32_t j = 0; j < 2; ++j) {
        const uint32_t odd = done + 2 * j + 1;
        last_odd[i][j] = reduce(multiply(last_odd[i][j], four[i]));
        put_power(keys[i], odd, last_odd[i][j]);
        put_power(keys[i], odd + 1, squared(get_power(keys[i], (odd + 1) / 2)));
      }
    }
  }
  if (!groups) return;
  __m512i last[kFours];
  CULVERT_UNROLL
  for (size_t i = 0; i < kFours; ++i) last[i] = get_power(keys[i], done);
  for (done += 4; done <= kGroupPowers; done += 4) {
    CULVERT_UNROLL
    for (size_t i = 0; i < kFours; ++i) {
      last[i] = reduce(multiply(last[i], four[i]));
      put_power(keys[i], done, last[i]);
    }
  }
}

/// What a packet's kernel reads of the powers.
struct Need {
  uint32_t powers;  ///< all up to this one
  bool groups;      ///< and every fourth up to kGroupPowers
};
constexpr Need need_of(uint32_t length) {
  if (length <= kSmallBytes) return {kSmallPowers, false};
  // Groups are taken as long as more than a last one is left (gcm_one_vaes.h).
  const uint32_t groups = length > kLastBytes ? (length - kLastBytes + kGroupBytes - 1) / kGroupBytes : 0;
  const uint32_t last_blocks = (length - groups * kGroupBytes + 15) / 16;
  return {last_blocks + 2, groups != 0};
}
static_assert(need_of(kLastBytes + 1).powers == (kLastBytes + 1 - kGroupBytes + 15) / 16 + 2);
static_assert(need_of(kLastBytes).powers <= GcmVaesKey::kPowers);

template <size_t kFours>
CULVERT_VAES void expand_fours(std::span<const ColdJob> jobs, Key* room) {
  Four keys[kFours];
  Need need{kSmallPowers, false};
  for (size_t i = 0; i < kFours * kLanes; ++i) {
    const size_t at = std::min(i, jobs.size() - 1);  // lanes that are left over do the last key's work once more
    keys[i / kLanes].from[i % kLanes] = jobs[at].key;
    keys[i / kLanes].to[i % kLanes] = &room[at].gcm_vaes;
    const Need own = need_of(jobs[at].job->length);
    need = {std::max(need.powers, own.powers), need.groups || own.groups};
  }
  expand_rounds<kFours>(keys);
  expand_powers<kFours>(keys, need.powers, need.groups);
}

/// Two fours at a time, so that neither waits for its own instructions.
void expand(std::span<const ColdJob> jobs, Key* room) {
  while (!jobs.empty()) {
    const size_t now = std::min(jobs.size(), 2 * kLanes);
    now > kLanes ? expand_fours<2>(jobs.first(now), room) : expand_fours<1>(jobs.first(now), room);
    jobs = jobs.subspan(now);
    room += now;
  }
}

}  // namespace

ColdKeys::ColdKeys() {
  // Best effort, both: what the kernel refuses doesn't keep the gateway from working.
  madvise(this, sizeof *this, MADV_DONTDUMP);
  mlock2(this, sizeof *this, MLOCK_ONFAULT);
}
ColdKeys::~ColdKeys() {
  wipe(keys_);
  munlock(this, sizeof *this);
  madvise(this, sizeof *this, MADV_DODUMP);
}

void ColdKeys::expand(std::span<const ColdJob> jobs) {
  // Keys of small packets with one another: they need few powers.
  std::array<ColdJob, Engine::kMostCold + 1> sorted;
  size_t small = 0;
  for (const ColdJob& job : jobs) {
    sorted[small] = job;
    small += job.job->length <= kSmallBytes;
  }
  size_t count = small;
  if (small != jobs.size())
    for (const ColdJob& job : jobs) {
      sorted[count] = job;
      count += job.job->length > kSmallBytes;
    }
  for (size_t i = 0; i < count; ++i) sorted[i].job->key = &keys_[i];
  std::span<const ColdJob> all(sorted.data(), count);
  aead::expand(all.first(small), keys_.data());
  aead::expand(all.subspan(small), keys_.data() + small);
}

}  // namespace culvert::aead
