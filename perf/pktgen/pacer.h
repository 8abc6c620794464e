// When packets are due: a token bucket on the time-stamp counter.
#pragma once

#include <algorithm>
#include <cstdint>

namespace culvert::pktgen {

class Pacer {
 public:
  /// `per_cycle`: packets. `depth`: what a generator that was kept from sending may catch up with at once; more would
  /// be a burst that nobody asked for, so it is given up, and the trial's true rate is lower than asked.
  Pacer(double per_cycle, double depth, uint64_t now) : per_cycle_(per_cycle), depth_(depth), last_(now) {}

  /// Packets that are due now.
  uint32_t due(uint64_t now) {
    tokens_ = std::min(depth_, tokens_ + static_cast<double>(now - last_) * per_cycle_);
    last_ = now;
    return static_cast<uint32_t>(tokens_);
  }
  /// `count` of them have been offered.
  void take(uint32_t count) { tokens_ -= count; }

 private:
  double per_cycle_;
  double depth_;
  double tokens_ = 0;
  uint64_t last_;
};

}  // namespace culvert::pktgen
