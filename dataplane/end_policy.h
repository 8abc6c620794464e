// When a dataplane that was told to end does so. Whoever told it may have told control at the same moment, and in no
// order, as systemd does with units of one command: goodbyes to clients still leave through here, and a control that
// leaves its sessions to the next one has to notice that they must first be installed in the next dataplane.
#pragma once

#include <cstdint>
#include <optional>

namespace culvert::dataplane {

/// Times are ns, CLOCK_MONOTONIC. Until it is over, everything goes on as before.
class EndPolicy {
 public:
  static constexpr uint64_t kLook = 10'000'000;    ///< between two looks
  static constexpr uint64_t kQuiet = 300'000'000;  ///< in which control removes no session
  static constexpr uint64_t kFlush = 30'000'000;   ///< the same when none is left: for its last packets
  static constexpr uint64_t kLongest = 10'000'000'000;

  bool has_begun() const { return begun_ns_.has_value(); }
  void begin(uint64_t now_ns) { begun_ns_ = changed_ns_ = now_ns; }
  /// `sessions`: of all workers. `is_attached`: there is a control.
  bool is_over(uint64_t now_ns, uint64_t sessions, bool is_attached) {
    if (!is_attached) return true;
    if (sessions != sessions_) changed_ns_ = now_ns;
    sessions_ = sessions;
    return now_ns >= changed_ns_ + (sessions == 0 ? kFlush : kQuiet) || now_ns >= *begun_ns_ + kLongest;
  }
  /// When to look again; UINT64_MAX: not for this.
  uint64_t deadline_ns(uint64_t now_ns) const { return has_begun() ? now_ns + kLook : UINT64_MAX; }

 private:
  std::optional<uint64_t> begun_ns_;
  uint64_t changed_ns_ = 0;
  uint64_t sessions_ = 0;
};

}  // namespace culvert::dataplane
