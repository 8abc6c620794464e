// The only reader of the clocks in control: engines take time as an argument.
#pragma once

#include <time.h>

#include "control/now.h"

namespace culvert::io {

/// CLOCK_MONOTONIC; the dataplane's `*_ns` fields in the link are on the same clock.
inline MonoTime mono_now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return MonoTime(std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec));
}

inline Now now() {
  return {.mono = mono_now(), .wall = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now())};
}

inline uint64_t to_ns(MonoTime t) {
  return static_cast<uint64_t>(t.time_since_epoch().count());
}

}  // namespace culvert::io
