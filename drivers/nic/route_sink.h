// What RouteMirror writes to: prefixes that lead to numbered next hops, and what a number means.
#pragma once

#include <cstdint>

#include "drivers/nic/ip_prefix.h"
#include "drivers/nic/next_hop.h"

namespace culvert::drivers {

/// Numbers with a fixed meaning; those behind are neighbours.
inline constexpr uint16_t kHopKernel = 0;
inline constexpr uint16_t kHopLocal = 1;
inline constexpr uint16_t kHopTun = 2;
inline constexpr uint16_t kFirstNeighbourHop = 3;
inline constexpr uint16_t kMaxHops = 1 << 15;

class RouteSink {
 public:
  virtual ~RouteSink() = default;
  /// Adds or replaces. False: no room.
  virtual bool set_route(const IpPrefix& prefix, uint16_t hop) = 0;
  virtual void remove_route(const IpPrefix& prefix) = 0;
  virtual void set_next_hop(uint16_t hop, NextHop to) = 0;
  /// False: prefixes are missing, so that a shorter one could answer for them: let the kernel answer everything.
  virtual void set_complete(bool complete) = 0;
  /// Was it used since the last call?
  virtual bool take_used(uint16_t hop) = 0;
};

}  // namespace culvert::drivers
