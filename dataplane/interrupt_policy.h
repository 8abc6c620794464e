// When a worker that a packet wakes interrupts whoever runs on its core. Pure: time is an argument.
//
// - Never at full rate: a sender on the same machine would be stopped after each of its messages. They would then come
//   one by one, and each would cost a change of threads.
// - Nor at lower rates, as long as it gets a core soon: what runs there has often just sent this packet, and is about
//   to sleep. If it is interrupted it needs a core, too, and is woken on another one. The deeper that one sleeps, the
//   longer this takes.
// - When it had to wait for long (for a handshake of control, or whatever else computes): it interrupts for a while,
//   and then tries whether that is over.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "dataplane/full_rate.h"

namespace culvert::dataplane {

class InterruptPolicy {
 public:
  static constexpr uint64_t kLongWaitNs = 200'000;  ///< for a core, in one window,
  static constexpr uint64_t kShortWaitNs = 30'000;  ///< besides this for each waking: a sender that is about to sleep
  static constexpr uint64_t kShortestWhile = 100'000'000;  ///< ns of interrupting after a long wait; doubles
  static constexpr uint64_t kLongestWhile = 1'600'000'000;
  static constexpr uint64_t kForgottenAfter = 5'000'000'000;  ///< ns without a long wait: the shortest while again

  bool interrupts() const { return interrupts_; }

  /// The pass that began at `now_ns` (CLOCK_MONOTONIC) found `packets` in the ports. True: decide() is due.
  bool passed(uint64_t now_ns, size_t packets) { return rate_.passed(now_ns, packets); }
  void slept() { ++wakings_; }
  /// `waited_ns`: how long the thread has waited for a core since it started; none: nobody knows, so that it interrupts
  /// unless it is at full rate.
  void decide(uint64_t now_ns, std::optional<uint64_t> waited_ns) {
    const uint64_t waited = waited_ns ? *waited_ns - waited_then_ns_ : 0;
    const uint64_t wakings = wakings_;
    waited_then_ns_ = waited_ns.value_or(0);
    wakings_ = 0;
    if (rate_.is_on()) {
      interrupts_ = false;
    } else if (!waited_ns) {
      interrupts_ = true;
    } else if (!interrupts_ && waited > kLongWaitNs + wakings * kShortWaitNs) {
      begin_while(now_ns);
    } else if (interrupts_ && now_ns >= until_ns_) {
      interrupts_ = false;
    }
  }

 private:
  void begin_while(uint64_t now_ns) {
    interrupts_ = true;
    if (now_ns - until_ns_ >= kForgottenAfter) while_ns_ = kShortestWhile;
    until_ns_ = now_ns + while_ns_;
    while_ns_ = std::min(2 * while_ns_, kLongestWhile);
  }

  FullRate rate_;
  bool interrupts_ = true;  // as a thread does that has asked for nothing
  uint64_t wakings_ = 0;
  uint64_t waited_then_ns_ = 0;
  uint64_t until_ns_ = 0;  // the end of the last while
  uint64_t while_ns_ = kShortestWhile;
};

}  // namespace culvert::dataplane
