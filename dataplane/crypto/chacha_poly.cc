#include "dataplane/crypto/chacha_poly.h"

#include <algorithm>

#include "dataplane/crypto/aead.h"
#include "dataplane/crypto/chacha20_lanes.h"
#include "dataplane/crypto/poly1305_lanes.h"
#include "dataplane/crypto/wipe.h"

namespace culvert::aead {
namespace {

using namespace lanes;  // NOLINT(google-build-using-namespace): the two halves of what stands here

/// Packets that go together. Their one-time keys fit in the first pass.
constexpr size_t kUnit = kPassBlocks;

/// Which packet each lane authenticates: positions in the unit ordered by length, so that packets of similar length
/// share a vector.
CULVERT_LANES_INLINE void order_by_length(const Job* jobs, size_t count, uint8_t (&order)[kUnit]) {
  alignas(64) uint32_t value[kUnit];
  _mm512_store_si512(value, _mm512_set1_epi32(-1));
  _mm512_store_si512(value + 16, _mm512_set1_epi32(-1));
  // The position makes values distinct, whatever the upper bits of a huge length do.
  for (size_t i = 0; i < count; ++i) value[i] = (jobs[i].length + 15) / 16 << 5 | static_cast<uint32_t>(i);
  __m512i low = _mm512_load_si512(value), high = _mm512_load_si512(value + 16);
  for (size_t i = 0; i < count; ++i) {
    __m512i own = _mm512_set1_epi32(static_cast<int>(value[i]));
    uint32_t smaller = _mm512_cmplt_epu32_mask(low, own) | uint32_t{_mm512_cmplt_epu32_mask(high, own)} << 16;
    order[static_cast<size_t>(__builtin_popcount(smaller))] = static_cast<uint8_t>(i);
  }
}

// Functions of their own, so that the compiler has nothing else to find registers for.
CULVERT_LANES __attribute__((noinline)) void run_half(ChachaPass& pass) {
  lanes::run<1>(pass);
}
CULVERT_LANES __attribute__((noinline)) void run_whole(ChachaPass& pass) {
  lanes::run<2>(pass);
}
CULVERT_LANES __attribute__((noinline)) void run_mac(MacInput& input) {
  authenticate(input);
}

/// Runs a pass of which `used` blocks are filled in.
CULVERT_LANES void run_pass(ChachaPass& pass, size_t used) {
  bool half = used <= kVectorBlocks;
  for (size_t i = used; i < (half ? kVectorBlocks : kPassBlocks); ++i) {
    pass.key[i] = pass.key[0];
    pass.counter_nonce[i] = pass.counter_nonce[0];
    pass.text[i] = pass.text[0];
    pass.present[i] = 0;
  }
  half ? run_half(pass) : run_whole(pass);
}

/// One unit at work. On the stack, wiped at the end.
template <bool kSeal>
class Unit {
 public:
  CULVERT_LANES_INLINE Unit(Job* jobs, size_t count) : jobs_(jobs), count_(count) {}

  CULVERT_LANES_INLINE void run() {
    // The first blocks of the first pass make the one-time keys (RFC 8439, 2.6): zeros, encrypted with counter 0.
    __m128i counters[kUnit];
    for (size_t i = 0; i < count_; ++i) {
      counters[i] = _mm_bslli_si128(_mm_maskz_loadu_epi32(7, jobs_[i].nonce.data()), 4);
      _mm512_store_si512(stream_[i], _mm512_setzero_si512());
      pass_.key[i] = jobs_[i].key->chacha.data();
      pass_.counter_nonce[i] = counters[i];
      pass_.text[i] = stream_[i];
      pass_.present[i] = ~uint64_t{0};
      // Opening reads the text right after the first pass; what follows these lines is fetched on the way.
      if constexpr (!kSeal)
        for (uint32_t at = 0; at < std::min(jobs_[i].length, kAhead); at += 64)
          _mm_prefetch(reinterpret_cast<const char*>(jobs_[i].text) + at, _MM_HINT_T0);
    }
    used_ = kept_ = count_;
    for (size_t i = 0; i < count_; ++i) add_text(jobs_[i], counters[i]);
    if (used_ != 0) flush();
    if constexpr (kSeal) authenticate_all();
    wipe_vectors(stream_, kept_ * sizeof stream_[0]);
    wipe_vectors(pass_.initial, sizeof pass_.initial);
    wipe_vectors(mac_.powers, sizeof mac_.powers);
  }

 private:
  CULVERT_LANES_INLINE void add_text(const Job& job, __m128i counter) {
    uint64_t left = (uint64_t{job.length} + 63) / 64;
    uint64_t last_present = ~uint64_t{0} >> ((0 - job.length) & 63);
    uint8_t* text = job.text;
    counter = _mm_add_epi32(counter, _mm_set_epi32(0, 0, 0, 1));
    while (left != 0) {
      if (used_ == kPassBlocks) flush();
      size_t count = std::min(left, kPassBlocks - used_);
      left -= count;
      add_blocks(pass_, used_, count, job.key->chacha.data(), counter, text, left == 0 ? last_present : ~uint64_t{0});
      used_ += count;
      text += 64 * count;
      counter = _mm_add_epi32(counter, _mm_cvtsi32_si128(static_cast<int>(count)));
    }
  }

  /// Runs the pass. When opening, the first one keeps the key stream of its blocks of text until the ciphertext is
  /// authenticated, for which it makes the keys.
  CULVERT_LANES_INLINE void flush() {
    bool keeps = !kSeal && first_;
    first_ = false;
    if (keeps) {
      for (size_t i = count_; i < used_; ++i) {
        target_[i] = pass_.text[i];
        pass_.text[i] = stream_[i];
        _mm512_store_si512(stream_[i], _mm512_setzero_si512());
      }
      kept_ = used_;
    }
    run_pass(pass_, used_);
    if (keeps) {
      authenticate_all();
      for (size_t i = count_; i < used_; ++i) {
        __mmask64 present = pass_.present[i];
        __m512i text = _mm512_maskz_loadu_epi8(present, target_[i]);
        _mm512_mask_storeu_epi8(target_[i], present, _mm512_xor_si512(text, _mm512_load_si512(stream_[i])));
      }
    }
    used_ = 0;
  }

  CULVERT_LANES_INLINE void authenticate_all() {
    uint8_t order[kUnit];
    order_by_length(jobs_, count_, order);
    for (size_t at = 0; at < count_; at += kMacLanes) authenticate_some(order + at, std::min(count_ - at, kMacLanes));
  }

  CULVERT_LANES void authenticate_some(const uint8_t* order, size_t count) {
    for (size_t lane = 0; lane < kMacLanes; ++lane) {
      size_t packet = order[lane < count ? lane : 0];
      const Job& job = jobs_[packet];
      mac_.key[lane] = stream_[packet];
      mac_.text[lane] = job.text;
      mac_.length[lane] = job.length;
      mac_.aad[lane] = job.aad;
      mac_.aad_length[lane] = job.aad_length;
    }
    run_mac(mac_);
    for (size_t lane = 0; lane < count; ++lane) {
      Job& job = jobs_[order[lane]];
      if constexpr (kSeal)
        std::memcpy(job.tag, mac_.tag[lane], kTagSize);
      else
        job.authentic = equal_tags(mac_.tag[lane], job.tag);
    }
  }

  Job* jobs_;
  size_t count_;
  size_t used_ = 0;    ///< blocks of the pass
  size_t kept_ = 0;    ///< blocks of `stream_`
  bool first_ = true;  ///< no pass has run yet
  ChachaPass pass_;
  MacInput mac_;
  uint8_t* target_[kPassBlocks];                 ///< text of the blocks whose key stream is kept
  alignas(64) uint8_t stream_[kPassBlocks][64];  ///< one-time keys, key stream
};

template <bool kSeal>
CULVERT_LANES void all(Job* jobs, size_t count) {
  for (size_t at = 0; at < count; at += kUnit) {
    Unit<kSeal> unit(jobs + at, std::min(count - at, kUnit));
    unit.run();
  }
}

}  // namespace

bool chacha_poly_supported() {
  // These look at what the operating system saves, too.
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512ifma") && __builtin_cpu_supports("bmi2");
}

void chacha_poly_seal(std::span<Job> jobs) {
  all<true>(jobs.data(), jobs.size());
}

void chacha_poly_open(std::span<Job> jobs) {
  all<false>(jobs.data(), jobs.size());
}

}  // namespace culvert::aead
