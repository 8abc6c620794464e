// The only reader of the clocks and of the kernel's randomness in control: engines take both as arguments.
#pragma once

#include <sys/random.h>
#include <time.h>

#include <cstdlib>
#include <span>

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

/// getrandom(2). The kernel's pool is ready before any process of ours starts, so a failure has no way on: it ends the
/// process.
class KernelRandom final : public Random {
 public:
  void fill(std::span<uint8_t> out) override {
    while (!out.empty()) {
      ssize_t n = getrandom(out.data(), out.size(), 0);
      if (n < 0) {
        if (errno == EINTR) continue;
        abort();
      }
      out = out.subspan(static_cast<size_t>(n));
    }
  }
};

}  // namespace culvert::io
