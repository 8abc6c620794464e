// The jobs of a burst whose keys were not used for so long that what they were expanded to is no longer in the caches.
// To expand them again takes less time than to fetch that: a line comes from memory instead of seven to sixteen. With
// few sessions no key is cold however long it was not used, because the tables of all of them stay near.
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/crypto/aead.h"
#include "dataplane/steps/burst.h"

namespace culvert::steps {

class ColdJobs {
 public:
  /// Packets of the worker after which a key is cold, where it has more than kFew sessions. With that many, in random
  /// order, reading the tables is as fast; with twice as many, making them anew is faster (perf/bench_path/README.md).
  static constexpr uint32_t kColdAfter = 4096;
  static constexpr size_t kFew = 8192;
  static_assert(kBurst <= aead::Engine::kMostCold);

  /// `clock`: PathContext::clock. `sessions`: that the worker has.
  ColdJobs(uint32_t clock, size_t sessions) : clock_(clock), any_(sessions > kFew) {}

  /// `job` is under `key`. Has what the key was expanded to fetched, where it is likely to be near.
  template <class DirectionKey>
  [[gnu::always_inline]] void add(DirectionKey& key, aead::Job& job) {
    if (!any_) return aead::prefetch(*key.aead);
    const bool cold = key.has_compact && clock_ - key.used_at > kColdAfter;
    key.used_at = clock_;
    jobs_[count_] = {&job, &key.compact};
    count_ += cold;
    if (!cold) aead::prefetch(*key.aead);
  }

  /// When all jobs are known, and before they are sealed or opened.
  void expand(aead::Engine& engine) const {
    if (count_ != 0) engine.expand_cold({jobs_.data(), count_});
  }

 private:
  uint32_t clock_;
  bool any_;
  size_t count_ = 0;
  std::array<aead::ColdJob, kBurst + 1> jobs_;
};

}  // namespace culvert::steps
