// Every packet that a worker was given went somewhere that its counters tell.
#pragma once

#include <cstdint>

#include "dataplane/abi/counters.h"

namespace culvert::testing {

/// Packets that came into a worker's path less those that left it, by its counters: 0 once nothing is staged.
/// `of_control`: packets of control that it was given (Path::send_control), `no_packets`: drops that were no packet:
/// commands that were refused as invalid, keepalives that were not made for want of a buffer. Ports that drop before
/// they hand a packet over, as those of the kernel do, have not received it.
inline int64_t unaccounted(const abi::Tally& tally, uint64_t of_control, uint64_t no_packets) {
  using abi::Counter;
  auto sum = [&tally](auto... counters) { return (tally.counters[static_cast<size_t>(counters)] + ...); };
  uint64_t dropped = 0;
  for (uint64_t count : tally.drops) dropped += count;
  const uint64_t in = of_control + sum(Counter::outer_rx_packets, Counter::inner_rx_packets, Counter::pings_sent,
                                       Counter::taken_over_packets);
  const uint64_t out = sum(Counter::outer_tx_packets, Counter::inner_tx_packets, Counter::punted_packets,
                           Counter::pings_received, Counter::occ_received, Counter::handed_over_packets);
  return static_cast<int64_t>(in + no_packets) - static_cast<int64_t>(out + dropped);
}

}  // namespace culvert::testing
