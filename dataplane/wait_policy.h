// When a worker that has nothing to do asks again, sleeps, or naps. Pure: time is an argument.
//
// - Lone packets (the worker had slept for a while, and few came): asleep again as soon as the ports that had them are
//   empty. More asking would be system calls for nothing, on a core where the thread that the packet is for now waits.
// - A stream: some more passes, about what falling asleep and waking up cost.
// - Packets that come one by one and often (a peer without offloads at full rate): naps without being woken, as a NIC
//   moderates its interrupts. What gathers meanwhile is received, joined and sealed together. A nap that gathers
//   hardly anything was a mistake (packets that wait for an answer to the one before): no more of them for a while.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace culvert::dataplane {

class WaitPolicy {
 public:
  enum class Next : uint8_t {
    kPoll,   ///< another pass
    kSleep,  ///< until something comes: say so with slept()
    kNap,    ///< for kNapNs, whatever comes
  };

  static constexpr uint32_t kIdlePasses = 8;       ///< in a stream: some 4 µs
  static constexpr uint32_t kLonePasses = 8;       ///< busy ones; what goes on for longer is a stream
  static constexpr size_t kLonePackets = 8;        ///< of one pass; more are a stream
  static constexpr uint64_t kShortSleep = 20'000;  ///< ns; one that was as short was hardly worth falling asleep for

  static constexpr uint64_t kNapNs = 50'000;
  static constexpr uint32_t kWindow = 16;                ///< wakings that are looked at together
  static constexpr uint64_t kOftenNs = 60'000;           ///< from waking to waking, on average: 17,000 a second
  static constexpr size_t kFewPackets = 8;               ///< per waking, on average
  static constexpr size_t kWorthNap = 3;                 ///< packets that a nap must gather
  static constexpr size_t kNoNap = 32;                   ///< packets of one pass after which there is no time for naps
  static constexpr uint64_t kShortestPause = 1'000'000;  ///< ns without naps after one that did not pay; doubles
  static constexpr uint64_t kLongestPause = 64'000'000;

  /// Did packets come alone? Then the kernel's word on which ports have something is enough.
  bool is_lone() const { return lone_; }

  /// The pass that began at `now_ns` (CLOCK_MONOTONIC) found `packets` in the ports; `busy`: those, or other work.
  Next passed(uint64_t now_ns, size_t packets, bool busy) {
    if (slept_from_ns_ != 0) wake(now_ns);
    packets_ += packets;
    if (napping_) return after_nap(now_ns, packets);
    idle_ = busy ? 0 : idle_ + 1;
    if (busy && (packets > kLonePackets || ++busy_ > kLonePasses)) lone_ = false;
    if (busy || idle_ < (lone_ ? 1 : kIdlePasses)) return Next::kPoll;
    return wants_nap(now_ns) ? Next::kNap : Next::kSleep;
  }
  /// The worker did as it was told with kSleep, after the pass that began at `now_ns`. `by_packets`: a port woke it,
  /// not a timer or a doorbell.
  void slept(uint64_t now_ns, bool by_packets) {
    slept_from_ns_ = now_ns;
    by_packets_ = by_packets;
  }

 private:
  void wake(uint64_t now_ns) {
    lone_ = !by_packets_ || now_ns - slept_from_ns_ > kShortSleep;
    slept_from_ns_ = 0;
    idle_ = busy_ = 0;
    if (by_packets_) ++wakings_;
  }

  /// Have kWindow wakings been often, with a few packets each? Asked when the work of one is done.
  bool wants_nap(uint64_t now_ns) {
    if (wakings_ < kWindow) return false;
    bool often = now_ns - window_from_ns_ < kWindow * kOftenNs;
    bool few = packets_ >= kWindow / 2 && packets_ < kWindow * kFewPackets;
    begin_window(now_ns);
    napping_ = often && few && now_ns >= no_nap_until_ns_;
    if (napping_) lone_ = false;
    return napping_;
  }

  Next after_nap(uint64_t now_ns, size_t packets) {
    if (packets >= kNoNap) return Next::kPoll;
    if (packets >= kWorthNap) {
      if (++naps_ >= kWindow) pause_ns_ = kShortestPause;
      return Next::kNap;
    }
    napping_ = lone_ = false;
    naps_ = 0;
    no_nap_until_ns_ = now_ns + pause_ns_;
    pause_ns_ = std::min(2 * pause_ns_, kLongestPause);
    begin_window(now_ns);
    idle_ = busy_ = 0;
    return Next::kPoll;
  }

  void begin_window(uint64_t now_ns) {
    window_from_ns_ = now_ns;
    wakings_ = 0;
    packets_ = 0;
  }

  bool lone_ = false;
  uint32_t idle_ = 0;           // passes in a row without work
  uint32_t busy_ = 0;           // passes with work since waking
  uint64_t slept_from_ns_ = 0;  // 0: did not sleep before this pass
  bool by_packets_ = false;

  uint64_t window_from_ns_ = 0;
  uint32_t wakings_ = 0;
  size_t packets_ = 0;
  bool napping_ = false;
  uint32_t naps_ = 0;  // in a row that paid
  uint64_t no_nap_until_ns_ = 0;
  uint64_t pause_ns_ = kShortestPause;
};

}  // namespace culvert::dataplane
