// Replay protection of the control channel: 32-bit counter plus 32-bit Unix time, the "long form" (packet_id.c of the
// reference). Wire order: counter, then time, each in network byte order.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>

#include "control/now.h"

namespace culvert::openvpn {

struct ReplayId {
  uint32_t time = 0;  ///< Unix seconds; compared first
  uint32_t id = 0;    ///< starts at 1 within each time

  friend auto operator<=>(const ReplayId&, const ReplayId&) = default;
};

/// Marks the first replay IDs of a tls-crypt-v2 client that can do the stateless handshake (tls-crypt-v2.txt, "HMAC
/// Cookie support"; ssl_pkt.h).
inline constexpr uint32_t kEarlyNegotiationId = 0x0f000000;
constexpr bool supports_early_negotiation(ReplayId replay) {
  return (replay.id & kEarlyNegotiationId) == kEarlyNegotiationId;
}

/// Gives out replay IDs that only grow, also when the wall clock goes back.
class ReplaySender {
 public:
  /// Starts above `used`: the first ID has the time of the first call when that is later than `used`.
  explicit ReplaySender(ReplayId used = {}) : last_(used) {}

  /// A sender whose IDs are above all that `other` has given out, also within the same second. For a session that takes
  /// over from the server's stateless replies: its client has seen one of those.
  static ReplaySender after(const ReplaySender& other) { return ReplaySender({other.last_.time, UINT32_MAX}); }

  /// The next ID; nothing when 2^32 were used within one second of a clock that stands still.
  std::optional<ReplayId> next(std::chrono::sys_seconds wall);
  /// Makes the counter begin at kEarlyNegotiationId (tls-crypt-v2 client).
  void announce_early_negotiation(std::chrono::sys_seconds wall);

  ReplayId last() const { return last_; }
  /// Has it given out an ID, or was it told where to begin?
  bool started() const { return started_; }

 private:
  ReplayId last_;
  bool started_ = false;
};

/// Remembers which IDs came in. An ID may arrive late by fewer than 64 IDs and at most 15 seconds (the reference's
/// defaults for replay-window), never twice.
class ReplayWindow {
 public:
  static constexpr uint32_t kSize = 64;
  static constexpr std::chrono::seconds kLate{15};

  ReplayWindow() = default;
  /// A window that takes nothing up to and with `seen` (state restored after a restart: closed, never reopened).
  static ReplayWindow closed_at(ReplayId seen);

  bool fresh(ReplayId id, MonoTime now) const;
  /// Notes an ID that fresh() allowed.
  void accept(ReplayId id, MonoTime now);
  ReplayId highest() const { return highest_; }

 private:
  static constexpr uint32_t kUnseen = 0;
  static constexpr uint32_t kClosed = 1;
  static uint32_t stamp(MonoTime now);

  ReplayId highest_;
  std::array<uint32_t, kSize> seen_{};  ///< by id modulo size: kUnseen, kClosed, or when it arrived (stamp)
};

}  // namespace culvert::openvpn
