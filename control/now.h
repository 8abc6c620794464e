// Time and randomness as the protocol engines take them: arguments, never read inside (so a test owns both).
#pragma once

#include <chrono>
#include <cstdint>
#include <span>

namespace culvert {

/// Tag of the monotonic clock; has no now(), on purpose.
struct MonoClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonoClock>;
  static constexpr bool is_steady = true;
};
using MonoTime = MonoClock::time_point;

/// One reading of both clocks. Timers use `mono`; `wall` only stands in packets (replay-ID time), certificates and
/// logs.
struct Now {
  MonoTime mono;
  std::chrono::sys_seconds wall;
};

/// Source of unpredictable bytes; tests give a seeded one.
class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(std::span<uint8_t> out) = 0;
};

}  // namespace culvert
