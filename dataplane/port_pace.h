// How often a busy worker asks a port that has nothing. Each asking of a port on the kernel is a system call, and a
// worker that moves one stream would make one per idle port and pass for nothing.
#pragma once

#include <algorithm>
#include <cstdint>

namespace culvert::dataplane {

class PortPace {
 public:
  static constexpr uint64_t kStep = 2'000;      ///< ns; each time that nothing came, the next asking is so much later
  static constexpr uint64_t kLongest = 16'000;  ///< ns; as late as a packet may be noticed because of others

  /// Only ports on the kernel are paced: asking the others costs little.
  explicit PortPace(bool is_kernel) : is_kernel_(is_kernel) {}

  bool is_due(uint64_t now_ns) const { return now_ns >= due_ns_; }
  /// The port was asked at `now_ns`, CLOCK_MONOTONIC, and had something, or not.
  void asked(uint64_t now_ns, bool had_something) {
    if (!is_kernel_) return;
    wait_ns_ = had_something ? 0 : std::min(wait_ns_ + kStep, kLongest);
    due_ns_ = now_ns + wait_ns_;
  }

 private:
  bool is_kernel_;
  uint64_t wait_ns_ = 0;
  uint64_t due_ns_ = 0;
};

}  // namespace culvert::dataplane
