// Do packets come at full rate? Then it counts how many get through, no longer how soon each is dealt with. Pure: time
// is an argument.
#pragma once

#include <cstddef>
#include <cstdint>

namespace culvert::dataplane {

class FullRate {
 public:
  static constexpr uint64_t kWindowNs = 2'000'000;  ///< packets are counted over, at least
  static constexpr uint64_t kBegins = 60'000;       ///< packets a second: 0.7 Gb/s of long ones
  static constexpr uint64_t kEnds = 30'000;         ///< below that; lower, so that it does not go to and fro

  bool is_on() const { return on_; }

  /// The pass that began at `now_ns` (CLOCK_MONOTONIC) found `packets` in the ports. True: a window ended with it, and
  /// is_on() is about that one now.
  bool passed(uint64_t now_ns, size_t packets) {
    packets_ += packets;
    const uint64_t elapsed = now_ns - from_ns_;
    if (elapsed < kWindowNs) return false;
    const uint64_t per_second = packets_ * 1'000'000'000 / elapsed;
    from_ns_ = now_ns;
    packets_ = 0;
    on_ = per_second >= (on_ ? kEnds : kBegins);
    return true;
  }

 private:
  bool on_ = false;
  uint64_t from_ns_ = 0;
  uint64_t packets_ = 0;
};

}  // namespace culvert::dataplane
