// When the next packets of a direction may go: at a rate, and with only so many on the way.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace culvert::swarm {

/// Counted by whoever sends and whoever receives, in two threads.
struct Flight {
  std::atomic<uint64_t> sent{0};
  std::atomic<uint64_t> received{0};
};

class Pace {
 public:
  /// `rate`: packets per second, 0: as fast as they arrive. `window`: packets on the way at most.
  Pace(double rate, uint64_t window, uint64_t now_ns) : rate_(rate), window_(window), start_ns_(now_ns) {}

  /// Sender and receiver share a thread with more to do: it sends no more than a window in a turn, even when all of it
  /// has arrived by then.
  void begin_turn() { granted_in_turn_ = 0; }
  bool turn_is_over() const { return granted_in_turn_ >= window_; }

  /// How many of `wanted` packets may go now. When nothing has arrived for a while, what is on the way is written off,
  /// so that a loss does not stop the rest.
  uint64_t allowance(const Flight& flight, uint64_t wanted, uint64_t now_ns) {
    if (turn_is_over()) return 0;
    uint64_t sent = flight.sent.load(std::memory_order_relaxed);
    uint64_t received = flight.received.load(std::memory_order_relaxed);
    if (received != received_) {
      received_ = received;
      moved_ns_ = now_ns;
    }
    uint64_t arrived = received + written_off_;
    uint64_t on_the_way = sent > arrived ? sent - arrived : 0;
    if (on_the_way >= window_ && now_ns > moved_ns_ + kPatienceNs) {
      written_off_ += on_the_way;
      moved_ns_ = now_ns;
      on_the_way = 0;
    }
    uint64_t room = window_ > on_the_way ? window_ - on_the_way : 0;
    // Whole bursts only, as they cost the least: less room than that waits until there is more.
    if (room < wanted && on_the_way > 0) return 0;
    if (rate_ > 0) {
      double due = rate_ * static_cast<double>(now_ns - start_ns_) / 1e9;
      // What could not be sent in time is not caught up with for longer than a moment.
      double behind = due - static_cast<double>(paced_);
      if (behind > rate_ * kCatchUp) paced_ = static_cast<uint64_t>(due - rate_ * kCatchUp);
      room = std::min(room, static_cast<uint64_t>(std::max(0.0, due - static_cast<double>(paced_))));
      if (room == 0) return 0;
    }
    uint64_t granted = std::min(room, wanted);
    paced_ += granted;
    granted_in_turn_ += granted;
    return granted;
  }

 private:
  static constexpr uint64_t kPatienceNs = 100'000'000;
  static constexpr double kCatchUp = 0.01;  ///< seconds

  double rate_;
  uint64_t window_;
  uint64_t start_ns_;
  uint64_t paced_ = 0;
  uint64_t granted_in_turn_ = 0;
  uint64_t received_ = 0;
  uint64_t moved_ns_ = 0;
  uint64_t written_off_ = 0;
};

}  // namespace culvert::swarm
