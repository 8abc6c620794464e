// A lossy wire under a virtual clock: what is sent arrives later, out of order, twice, changed, or never, as a seeded
// generator decides. The same seed gives the same run.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <random>
#include <span>
#include <vector>

#include "control/now.h"
#include "tests/sim/certificates.h"

namespace culvert::sim {

/// The seed of this run: environment CULVERT_SIM_SEED, else a fixed one. Printed once.
uint64_t seed();

class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : generator_(seed) {}
  void fill(std::span<uint8_t> out) override {
    for (uint8_t& byte : out) byte = static_cast<uint8_t>(generator_());
  }
  /// Uniform in [0, 1).
  double chance() { return static_cast<double>(generator_() >> 11) * 0x1p-53; }
  uint64_t below(uint64_t n) { return generator_() % n; }

 private:
  std::mt19937_64 generator_;
};

struct Weather {
  double loss = 0;
  double duplication = 0;
  double reordering = 0;  ///< share of packets delayed by up to `late`
  double corruption = 0;  ///< share with one bit flipped
  std::chrono::nanoseconds delay = std::chrono::milliseconds(20);
  std::chrono::nanoseconds late = std::chrono::milliseconds(200);
};

/// Things that happen at a time, in order of time, then of planning.
class Clock {
 public:
  explicit Clock(std::chrono::sys_seconds wall = kEpoch) : start_wall_(wall) {}
  Now now() const;
  void at(MonoTime when, std::function<void()> what);
  void after(std::chrono::nanoseconds delay, std::function<void()> what) { at(now_ + delay, std::move(what)); }
  /// Runs everything up to `until` and stands there.
  void run_until(MonoTime until);
  void run_for(std::chrono::nanoseconds time) { run_until(now_ + time); }
  uint64_t happened() const { return happened_; }

 private:
  struct Plan {
    MonoTime when;
    uint64_t order;
    std::function<void()> what;
    bool operator<(const Plan& other) const { return when != other.when ? when > other.when : order > other.order; }
  };
  std::chrono::sys_seconds start_wall_;
  MonoTime now_{std::chrono::hours(1)};
  uint64_t planned_ = 0;
  uint64_t happened_ = 0;
  std::priority_queue<Plan> plans_;
};

class Wire {
 public:
  Wire(Clock& clock, SeededRandom& random, Weather initial) : weather(initial), clock_(clock), random_(random) {}
  using Deliver = std::function<void(std::span<const uint8_t>)>;
  void send(std::vector<uint8_t> bytes, Deliver deliver);

  Weather weather;
  uint64_t lost = 0;
  uint64_t delivered = 0;

 private:
  Clock& clock_;
  SeededRandom& random_;
};

}  // namespace culvert::sim
