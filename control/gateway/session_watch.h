// What of a session is looked at once a second: inactive, session-timeout, reneg-bytes, reneg-pkts.
#pragma once

#include <cstdint>
#include <optional>

#include "control/config/server_config.h"
#include "control/now.h"

namespace culvert::gateway {

/// All that a session has carried in both directions, inside the tunnel, without keepalives.
struct Traffic {
  uint64_t bytes = 0;
  uint64_t packets = 0;
};

class SessionWatch {
 public:
  enum class Verdict : uint8_t { kFine, kRenegotiate, kInactive, kTooOld };

  SessionWatch() = default;
  /// `connected`: when the session began, which for one that was taken over lies before its process.
  SessionWatch(const config::SessionLimits& limits, MonoTime connected, MonoTime now)
      : limits_(limits), connected_(connected), active_at_(now) {}

  /// `renegotiations`: how often the session has had new keys.
  Verdict look(Traffic traffic, uint64_t renegotiations, MonoTime now);
  bool has_limits() const { return limits_.any(); }
  bool counts_keys() const { return limits_.reneg_bytes != 0 || limits_.reneg_packets != 0; }

 private:
  bool idle(Traffic traffic, MonoTime now);
  bool key_is_used_up(Traffic traffic, uint64_t renegotiations);

  config::SessionLimits limits_;
  MonoTime connected_{};
  MonoTime active_at_{};
  uint64_t bytes_then_ = 0;    ///< carried at active_at_
  uint64_t packets_then_ = 0;  ///< likewise
  Traffic key_began_;
  std::optional<uint64_t> key_number_;
};

}  // namespace culvert::gateway
