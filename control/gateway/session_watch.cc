#include "control/gateway/session_watch.h"

#include <algorithm>

namespace culvert::gateway {

bool SessionWatch::idle(Traffic traffic, MonoTime now) {
  // Enough traffic begins the time anew (forward.c, register_activity): any packet, or the bytes asked for.
  bool enough = limits_.inactive_bytes == 0 ? traffic.packets != packets_then_
                                            : traffic.bytes - bytes_then_ >= limits_.inactive_bytes;
  if (enough) {
    active_at_ = now;
    bytes_then_ = traffic.bytes;
    packets_then_ = traffic.packets;
  }
  return now - active_at_ >= limits_.inactive;
}

bool SessionWatch::key_is_used_up(Traffic traffic, uint64_t renegotiations) {
  if (key_number_ != renegotiations) {
    key_number_ = renegotiations;
    key_began_ = traffic;
  }
  bool used = (limits_.reneg_bytes != 0 && traffic.bytes - key_began_.bytes >= limits_.reneg_bytes) ||
              (limits_.reneg_packets != 0 && traffic.packets - key_began_.packets >= limits_.reneg_packets);
  if (used) key_began_ = traffic;  // not again before as much again has passed, should this one fail
  return used;
}

SessionWatch::Verdict SessionWatch::look(Traffic traffic, uint64_t renegotiations, MonoTime now) {
  if (limits_.session_timeout.count() > 0 && now - connected_ >= limits_.session_timeout) return Verdict::kTooOld;
  if (limits_.inactive.count() > 0 && idle(traffic, now)) return Verdict::kInactive;
  return counts_keys() && key_is_used_up(traffic, renegotiations) ? Verdict::kRenegotiate : Verdict::kFine;
}

}  // namespace culvert::gateway
