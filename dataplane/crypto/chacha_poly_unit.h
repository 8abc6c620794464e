// CHACHA20-POLY1305 (RFC 8439, 2.8) for a few packets that go together, on vectors of any width. Include
// chacha20_lanes.h and one of poly1305_avx512.h and poly1305_avx2.h first.
#pragma once

#include <algorithm>
#include <bit>
#include <span>

#include "dataplane/crypto/aead.h"
#if !defined(CULVERT_LANES_TARGET)
#include "dataplane/crypto/poly1305_avx512.h"  // for whoever looks at this file alone
#endif
#include "dataplane/crypto/chacha20_lanes.h"
#include "dataplane/crypto/wipe.h"

namespace culvert::aead::lanes::CULVERT_LANES_NAMESPACE {

/// Most packets of a unit: few enough that their texts stay in the first cache until they are authenticated.
constexpr size_t kUnit = 2 * kMacLanes;
static_assert(kUnit <= kPassBlocks, "the first pass makes all one-time keys");

// Functions of their own, so that the compiler has nothing else to find registers for.
CULVERT_LANES __attribute__((noinline)) inline void mixed_one(const MixedBlocks& blocks, ChachaScratch& scratch) {
  run_mixed<1>(blocks, scratch);
}
CULVERT_LANES __attribute__((noinline)) inline void mixed_all(const MixedBlocks& blocks, ChachaScratch& scratch) {
  run_mixed<kVectors>(blocks, scratch);
}
CULVERT_LANES __attribute__((noinline)) inline void whole_one(const WholeBlocks* blocks, ChachaScratch& scratch) {
  run_whole<1>(blocks, scratch);
}
CULVERT_LANES __attribute__((noinline)) inline void whole_all(const WholeBlocks* blocks, ChachaScratch& scratch) {
  run_whole<kVectors>(blocks, scratch);
}
CULVERT_LANES __attribute__((noinline)) inline void mac(MacInput& input) {
  authenticate(input);
}

/// One unit at work. On the stack, wiped at the end.
template <bool kSeal>
class Unit {
 public:
  /// `jobs`: at most kUnit.
  explicit Unit(std::span<Job> jobs) : jobs_(jobs) {}

  CULVERT_LANES void run() {
    // The first blocks of the first pass make the one-time keys (RFC 8439, 2.6): zeros, encrypted with counter 0.
    for (const Job& job : jobs_) {
      std::memset(stream_[used_], 0, sizeof stream_[used_]);
      add_blocks(job, first_row(job), stream_[used_], 1, ~uint64_t{0});
      // Opening reads the text right after the first pass; what follows these lines is fetched on the way.
      if constexpr (!kSeal)
        for (uint32_t at = 0; at < std::min(job.length, kAhead); at += 64) __builtin_prefetch(job.text + at);
    }
    kept_ = used_;
    for (const Job& job : jobs_) add_rest(job);
    if (used_ != 0) flush();
    for (const Job& job : jobs_) add_whole(job);
    if (wholes_ != 0) flush_whole();
    if constexpr (kSeal) authenticate_all();
    wipe_vectors(stream_, kept_ * sizeof stream_[0]);
    wipe_vectors(&scratch_, sizeof scratch_);
    wipe_vectors(mac_.powers, sizeof mac_.powers);
  }

 private:
  static constexpr uint32_t kWholeBytes = 64 * kVectorBlocks;

  /// The last row of the state, with a counter of 0.
  CULVERT_LANES static __m128i first_row(const Job& job) {
    int32_t end;
    std::memcpy(&end, job.nonce.data() + 8, sizeof end);
    __m128i start = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(job.nonce.data()));
    return _mm_slli_si128(_mm_unpacklo_epi64(start, _mm_cvtsi32_si128(end)), 4);
  }
  CULVERT_LANES static __m128i counter(uint32_t value) { return _mm_cvtsi32_si128(static_cast<int>(value)); }

  /// `count` blocks of a packet, at least one, of which the last has `last_present`; the caller knows that there is
  /// room.
  CULVERT_LANES void add_blocks(const Job& job, __m128i row, uint8_t* text, size_t count, uint64_t last_present) {
    const uint8_t* key = job.key->chacha.bytes.data();
    for (size_t i = used_, end = used_ + count; i < end; ++i, text += 64) {
      blocks_.row[i] = row;
      blocks_.key[i] = key;
      blocks_.text[i] = text;
      blocks_.present[i] = ~uint64_t{0};
      row = _mm_add_epi32(row, counter(1));
    }
    used_ += count;
    blocks_.present[used_ - 1] = last_present;
  }

  /// What is left of the text behind the vectors that it fills.
  CULVERT_LANES void add_rest(const Job& job) {
    uint32_t at = job.length / kWholeBytes * kWholeBytes;
    // The rounds give the cache time to bring the text.
    for (uint32_t line = at; line < job.length; line += 64) __builtin_prefetch(job.text + line);
    const __m128i row = first_row(job);
    for (size_t left = (job.length - at + 63) / 64, count; left != 0; left -= count) {
      if (used_ == kPassBlocks) flush();
      count = std::min(left, kPassBlocks - used_);
      uint64_t last_present = count == left ? ~uint64_t{0} >> ((0 - job.length) & 63) : ~uint64_t{0};
      add_blocks(job, _mm_add_epi32(row, counter(1 + at / 64)), job.text + at, count, last_present);
      at += static_cast<uint32_t>(64 * count);
    }
  }

  CULVERT_LANES void add_whole(const Job& job) {
    for (uint32_t at = 0; job.length - at >= kWholeBytes; at += kWholeBytes) {
      if (wholes_ == kVectors) flush_whole();
      for (uint32_t line = at; line < at + kWholeBytes; line += 64) __builtin_prefetch(job.text + line);
      whole_[wholes_++] = {_mm_add_epi32(first_row(job), counter(1 + at / 64)), job.key->chacha.bytes.data(),
                           job.text + at};
    }
  }

  CULVERT_LANES void flush_whole() {
    wholes_ == 1 ? whole_one(whole_, scratch_) : whole_all(whole_, scratch_);
    wholes_ = 0;
  }

  /// Runs the pass. When opening, the first one keeps the key stream of its blocks of text until the ciphertext is
  /// authenticated, for which it makes the keys.
  CULVERT_LANES void flush() {
    const bool keeps = !kSeal && first_;
    first_ = false;
    if (keeps) {
      for (size_t i = kept_; i < used_; ++i) {
        target_[i] = blocks_.text[i];
        blocks_.text[i] = stream_[i];
        std::memset(stream_[i], 0, sizeof stream_[i]);
      }
    }
    run_pass();
    if (keeps) {
      authenticate_all();
      decrypt_kept();
      kept_ = used_;
    }
    used_ = 0;
  }

  CULVERT_LANES void run_pass() {
    const size_t all = used_ <= kVectorBlocks ? kVectorBlocks : kPassBlocks;
    for (size_t i = used_; i < all; ++i) {  // lanes without a block repeat another one's work
      blocks_.row[i] = blocks_.row[0];
      blocks_.key[i] = blocks_.key[0];
      blocks_.text[i] = blocks_.text[0];
      blocks_.present[i] = 0;
    }
    all == kVectorBlocks ? mixed_one(blocks_, scratch_) : mixed_all(blocks_, scratch_);
  }

  CULVERT_LANES void decrypt_kept() {
    for (size_t i = kept_; i < used_; ++i) exclusive_or(target_[i], key_stream(stream_[i]), blocks_.present[i]);
  }

  /// Positions in the unit ordered by length, so that packets of similar length are authenticated side by side.
  CULVERT_LANES void order_by_length(uint8_t (&order)[kUnit]) const {
    using Values = int32_t __attribute__((vector_size(sizeof(int32_t) * kUnit)));
    Values values{}, rank{};
    for (size_t i = 0; i < jobs_.size(); ++i)
      // The position makes values distinct; what is cut off of a huge length only costs time.
      values[i] = static_cast<int32_t>((jobs_[i].length & 0xFFFFFF) << 4 | i);
    for (size_t i = 0; i < jobs_.size(); ++i) rank -= values > values[i];
    for (size_t i = 0; i < jobs_.size(); ++i) order[rank[i]] = static_cast<uint8_t>(i);
  }

  CULVERT_LANES void authenticate_all() {
    uint8_t order[kUnit];
    order_by_length(order);
    for (size_t at = 0; at < jobs_.size(); at += kMacLanes)
      authenticate_some(order + at, std::min(jobs_.size() - at, kMacLanes));
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
    mac(mac_);
    for (size_t lane = 0; lane < count; ++lane) {
      Job& job = jobs_[order[lane]];
      if constexpr (kSeal)
        std::memcpy(job.tag, mac_.tag[lane], kTagSize);
      else
        job.authentic = equal_tags(mac_.tag[lane], job.tag);
    }
  }

  std::span<Job> jobs_;
  size_t used_ = 0;    ///< of blocks_
  size_t wholes_ = 0;  ///< of whole_
  size_t kept_ = 0;    ///< blocks of stream_
  bool first_ = true;  ///< no pass has run yet
  MixedBlocks blocks_;
  WholeBlocks whole_[kVectors];
  ChachaScratch scratch_;
  MacInput mac_;
  uint8_t* target_[kPassBlocks];                 ///< text of the blocks whose key stream is kept
  alignas(64) uint8_t stream_[kPassBlocks][64];  ///< one-time keys, key stream
};

template <bool kSeal>
CULVERT_LANES void all(std::span<Job> jobs) {
  for (size_t at = 0; at < jobs.size(); at += kUnit) {
    Unit<kSeal> unit(jobs.subspan(at, std::min(jobs.size() - at, kUnit)));
    unit.run();
  }
}

}  // namespace culvert::aead::lanes::CULVERT_LANES_NAMESPACE
