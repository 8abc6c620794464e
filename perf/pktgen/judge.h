// Judges what comes back: matches inner packets to what was sent, and counts lost, doubled, reordered and damaged ones.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "perf/common/histogram.h"
#include "perf/pktgen/inner_packet.h"
#include "perf/pktgen/sequence.h"

namespace culvert::pktgen {

using perf::Histogram;

/// One way of one trial. Every packet that was handed to the port counts once on either side.
struct WayCounts {
  uint64_t sent = 0;
  uint64_t refused = 0;    ///< the port's queue to the gateway was full: lost, as it would be on a wire
  uint64_t received = 0;   ///< each number once, undamaged
  uint64_t bytes = 0;      ///< of received inner packets
  uint64_t reordered = 0;  ///< among `received`
  uint64_t doubled = 0;
  uint64_t too_late = 0;  ///< more than SequenceTracker::kWindow behind: not in `received`
  uint64_t damaged = 0;   ///< ours, but not as sent; or with the wrong client; or not authentic

  uint64_t offered() const { return sent + refused; }
  uint64_t lost() const { return offered() > received ? offered() - received : 0; }
  /// 0 to 1.
  double loss() const { return offered() == 0 ? 0 : static_cast<double>(lost()) / static_cast<double>(offered()); }
  void add(const WayCounts& other);
};

struct Counts {
  std::array<WayCounts, kWays> ways;
  uint64_t leftovers = 0;  ///< packets of an earlier trial
  uint64_t foreign = 0;    ///< neither ours nor ARP nor of the control channel
  Histogram latency;       ///< nanoseconds

  WayCounts& of(Way way) { return ways[static_cast<size_t>(way)]; }
  WayCounts total() const;
};

class Judge {
 public:
  /// `cycles_per_ns` of the time-stamp counter.
  Judge(uint32_t clients, double cycles_per_ns);

  /// Forgets all packets; those stamped with another trial count as leftovers from now on.
  void begin(uint32_t trial);
  uint32_t trial() const { return trial_; }
  /// The number that the next packet of `client` that `way` gets.
  uint64_t next_number(uint32_t client, Way way) { return numbers_[static_cast<size_t>(way)][client]++; }

  /// A packet that came out of the gateway, or out of a client's tunnel. `client`: whose tunnel, for kOut; ignored
  /// otherwise. `packets_of(client)` gives an InnerPackets. `now_tsc`: when it was received.
  template <class PacketsOf>
  void judge(std::span<const uint8_t> packet, Way way, uint32_t client, uint64_t now_tsc, const PacketsOf& packets_of) {
    Stamp stamp;
    Origin origin = read_stamp(packet, way, stamp);
    if (origin == Origin::kForeign) {
      ++counts_.foreign;
      return;
    }
    bool right_client =
        origin == Origin::kOurs && stamp.client < clients_ && (way == Way::kIn || stamp.client == client);
    if (!right_client || !packets_of(stamp.client).matches(packet, way, stamp)) {
      ++counts_.of(way).damaged;
      return;
    }
    note(packet.size(), way, stamp, now_tsc);
  }

  Counts& counts() { return counts_; }

 private:
  void note(size_t size, Way way, const Stamp& stamp, uint64_t now_tsc);

  uint32_t clients_;
  double ns_per_cycle_;
  uint32_t trial_ = 0;
  Counts counts_;
  std::array<std::vector<SequenceTracker>, kWays> trackers_;
  std::array<std::vector<uint64_t>, kWays> numbers_;
};

}  // namespace culvert::pktgen
