// How much a session may still carry in one direction: a token bucket that is filled at the session's limit. The owner
// core takes from it, on its pass's clock.
#pragma once

#include <algorithm>
#include <cstdint>

#include "dataplane/abi/command.h"

namespace culvert::session {

class LimitBucket {
 public:
  /// Bytes that may come at once however low the limit is: some full-sized packets, the largest of all among them.
  static constexpr uint64_t kLeastBurst = 12'000;
  /// A limit's burst is what it lets through in this time, so that a sender sees losses as behind a short queue.
  static constexpr uint64_t kBurstNs = 10'000'000;

  LimitBucket() = default;
  /// Full at `now_ns`. `rate`: bits per second, at most abi::kMaxLimit; 0: lets everything through.
  LimitBucket(uint64_t rate, uint64_t now_ns)
      : rate_(rate), left_(burst()), filled_in_ns_(rate == 0 ? 0 : burst() / rate), last_ns_(now_ns) {}

  /// Bits per second, 0: no limit.
  uint64_t rate() const { return rate_; }

  /// False when `bytes` are more than is left now; then nothing is taken. `now_ns`: CLOCK_MONOTONIC; a clock that goes
  /// back fills nothing.
  bool take(uint32_t bytes, uint64_t now_ns) {
    if (rate_ == 0) return true;
    fill(now_ns);
    uint64_t wanted = bytes * kPerByte;
    if (wanted > left_) return false;
    left_ -= wanted;
    return true;
  }

 private:
  // Counted in billionths of a bit: bits per second times nanoseconds, so that nothing is rounded.
  static constexpr uint64_t kPerByte = 8 * uint64_t{1'000'000'000};
  static_assert(abi::kMaxLimit <= UINT64_MAX / kBurstNs / 2);  // what is left and what comes in fit together

  uint64_t burst() const { return std::max(rate_ * kBurstNs, kLeastBurst * kPerByte); }

  void fill(uint64_t now_ns) {
    uint64_t elapsed = now_ns > last_ns_ ? now_ns - last_ns_ : 0;
    last_ns_ = now_ns;
    left_ = elapsed > filled_in_ns_ ? burst() : std::min(burst(), left_ + rate_ * elapsed);
  }

  uint64_t rate_ = 0;
  uint64_t left_ = 0;
  uint64_t filled_in_ns_ = 0;  ///< from empty to full; a longer time would not fit beside the rate
  uint64_t last_ns_ = 0;
};

/// Both directions of a session: a line that only packets of limited sessions touch.
struct alignas(64) LimitBuckets {
  LimitBucket from_client;
  LimitBucket to_client;
};
static_assert(sizeof(LimitBuckets) == 64);

}  // namespace culvert::session
