#include "perf/pktgen/judge.h"

namespace culvert::pktgen {

void WayCounts::add(const WayCounts& other) {
  sent += other.sent;
  refused += other.refused;
  received += other.received;
  bytes += other.bytes;
  reordered += other.reordered;
  doubled += other.doubled;
  too_late += other.too_late;
  damaged += other.damaged;
}

WayCounts Counts::total() const {
  WayCounts sum = ways[0];
  sum.add(ways[1]);
  return sum;
}

Judge::Judge(uint32_t clients, double cycles_per_ns) : clients_(clients), ns_per_cycle_(1 / cycles_per_ns) {
  begin(0);
}

void Judge::begin(uint32_t trial) {
  trial_ = trial;
  counts_ = {};
  for (auto& trackers : trackers_) trackers.assign(clients_, {});
  for (auto& numbers : numbers_) numbers.assign(clients_, 0);
}

void Judge::note(size_t size, Way way, const Stamp& stamp, uint64_t now_tsc) {
  if (stamp.trial != trial_) {
    ++counts_.leftovers;
    return;
  }
  WayCounts& counts = counts_.of(way);
  switch (trackers_[static_cast<size_t>(way)][stamp.client].note(stamp.number)) {
    case Arrival::kDoubled:
      ++counts.doubled;
      return;
    case Arrival::kTooLate:
      ++counts.too_late;
      return;
    case Arrival::kReordered:
      ++counts.reordered;
      break;
    case Arrival::kInOrder:
      break;
  }
  ++counts.received;
  counts.bytes += size;
  uint64_t cycles = now_tsc > stamp.sent_tsc ? now_tsc - stamp.sent_tsc : 0;
  counts_.latency.record(static_cast<uint64_t>(static_cast<double>(cycles) * ns_per_cycle_));
}

}  // namespace culvert::pktgen
