#include "control/openvpn/replay.h"

#include <algorithm>

namespace culvert::openvpn {
namespace {

/// Clamped to what the field can hold, so that a clock far off (before 1970, after 2106) stays at an end of the range
/// instead of jumping to the other one.
uint32_t unix_seconds(std::chrono::sys_seconds wall) {
  return static_cast<uint32_t>(std::clamp<int64_t>(wall.time_since_epoch().count(), 0, UINT32_MAX));
}

}  // namespace

std::optional<ReplayId> ReplaySender::next(std::chrono::sys_seconds wall) {
  uint32_t time = unix_seconds(wall);
  if (!started_) {
    // A new life: above everything used before, with the counter at its beginning where the clock allows it.
    if (time > last_.time) {
      last_ = {time, 0};
    } else if (last_.id == UINT32_MAX && last_.time != UINT32_MAX) {
      last_ = {last_.time + 1, 0};
    }
    started_ = true;
  }
  if (last_.id == UINT32_MAX) {
    if (time <= last_.time) return std::nullopt;
    last_ = {time, 0};
  }
  ++last_.id;
  return last_;
}

void ReplaySender::announce_early_negotiation(std::chrono::sys_seconds wall) {
  last_ = {std::max(unix_seconds(wall), last_.time), kEarlyNegotiationId};
  started_ = true;
}

uint32_t ReplayWindow::stamp(MonoTime now) {
  // Two values are taken; wrapping after 136 years does no harm.
  return static_cast<uint32_t>(std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count()) + 2;
}

ReplayWindow ReplayWindow::closed_at(ReplayId seen) {
  ReplayWindow window;
  window.highest_ = seen;
  window.seen_.fill(kClosed);
  return window;
}

bool ReplayWindow::fresh(ReplayId id, MonoTime now) const {
  if (id.id == 0 || id.time < highest_.time) return false;
  if (id.time > highest_.time || id.id > highest_.id) return true;
  uint32_t behind = highest_.id - id.id;
  if (behind >= kSize || seen_[id.id % kSize] != kUnseen) return false;
  // Late by more than kLate: an ID at or above it came in that long ago.
  const uint32_t today = stamp(now);
  for (uint32_t back = 0; back <= behind; ++back) {
    uint32_t at = seen_[(highest_.id - back) % kSize];
    if (at == kClosed) return false;
    if (at != kUnseen && today - at > kLate.count() && today > at) return false;
  }
  return true;
}

void ReplayWindow::accept(ReplayId id, MonoTime now) {
  if (id.time != highest_.time || (id.id > highest_.id && id.id - highest_.id >= kSize)) {
    seen_.fill(kUnseen);
    highest_ = id;
  }
  while (highest_.id < id.id) seen_[++highest_.id % kSize] = kUnseen;
  seen_[id.id % kSize] = stamp(now);
}

}  // namespace culvert::openvpn
