// The round over all sessions that exist: keepalives, silent peers, progress for the session records. One round per
// second, in portions, so that ten thousand sessions never stall forwarding.
#pragma once

#include <cstdint>

namespace culvert::dataplane {
struct PathContext;
}

namespace culvert::steps {

class Burst;

inline constexpr uint64_t kRoundNs = 1'000'000'000;  ///< the resolution of keepalive and timeout, which are in seconds
inline constexpr uint32_t kSweepSessions = 64;       ///< visited per call

struct SweepState {
  uint64_t round_started_ns = 0;
  uint32_t next = 0;  ///< position in Table::live() where the round goes on
  bool in_round = false;
};

/// Visits the next portion. Keepalives that are due are added to `pings` (empty before), to be sealed and sent.
void sweep(dataplane::PathContext& context, Burst& pings);

/// CLOCK_MONOTONIC time at which sweep() has something to do; UINT64_MAX when no session exists.
uint64_t next_sweep_ns(const dataplane::PathContext& context);

}  // namespace culvert::steps
