// Sorts a burst's jobs by what goes together, so that small packets find each other between large ones, and that each
// kernel's branches go the same way again and again. Packets of one session may change places: each has its packet-id
// already, and they leave in the order in which they stand in the burst, which stays as it is.
#pragma once

#include <array>
#include <span>

#include "dataplane/crypto/aead.h"

namespace culvert::aead {

/// Packets of up to kSmall bytes are small, kTogether of them go together; of up to kMiddling bytes middling.
template <uint32_t kSmall, uint32_t kMiddling, size_t kTogether>
class BySize {
 public:
  static constexpr size_t kMost = 64;  ///< jobs at once

  /// Replaces what was sorted before.
  void sort(std::span<Job> jobs) {
    // Without a branch: which size comes next can't be foretold.
    size_t small = 0, middling = 0, large = 0;
    for (Job& job : jobs) {
      small_[small] = &job;
      small += job.length <= kSmall;
    }
    if (small != jobs.size())
      for (Job& job : jobs) {
        bool is_large = job.length > kMiddling;
        middling_[middling] = &job;
        middling += job.length > kSmall && !is_large;
        large_[large] = &job;
        large += is_large;
      }
    small_count_ = small;
    middling_count_ = middling;
    large_count_ = large;
    if constexpr (kTogether > 1)
      if (small % kTogether != 0) fill_up();
  }

  /// A multiple of kTogether.
  std::span<Job* const> small() const { return {small_.data(), small_count_}; }
  std::span<Job* const> middling() const { return {middling_.data(), middling_count_}; }
  std::span<Job* const> large() const { return {large_.data(), large_count_}; }

 private:
  /// Small ones that are left over go with empty ones in the place of those that are missing; one is as fast alone.
  void fill_up() {
    size_t left = small_count_ % kTogether;
    if (left == 1) {
      middling_[middling_count_++] = small_[--small_count_];
      return;
    }
    nobodys_tag_ = {};
    nobody_ = Job{.key = small_[small_count_ - 1]->key,
                  .text = nobodys_tag_.data(),
                  .aad = nobodys_tag_.data(),
                  .tag = nobodys_tag_.data(),
                  .length = 0,
                  .cipher = {},
                  .aad_length = 0,
                  .authentic = false,
                  .nonce = {}};
    for (; small_count_ % kTogether != 0; ++small_count_) small_[small_count_] = &nobody_;
  }

  std::array<Job*, kMost + kTogether> small_;
  std::array<Job*, kMost + 1> middling_;
  std::array<Job*, kMost + 1> large_;
  size_t small_count_, middling_count_, large_count_;
  std::array<uint8_t, kTagSize> nobodys_tag_;
  Job nobody_;
};

}  // namespace culvert::aead
