// The clock of the dataplane's threads. The path gets its readings as arguments.
#pragma once

#include <time.h>

#include <cstdint>

namespace culvert::dataplane {

/// CLOCK_MONOTONIC in nanoseconds.
inline uint64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace culvert::dataplane
