// What somebody who traces costs the packet path: passes with and without, in turns, over the same sessions and
// packets.
#pragma once

#include <string>
#include <vector>

#include "dataplane/abi/result.h"
#include "perf/bench_path/turns.h"

namespace culvert::perf {

/// What is looked at.
enum class Watch : uint8_t {
  kNothing,        ///< nobody traces: what the others are compared with
  kDrops,          ///< every packet that is dropped (here none is)
  kEveryThousand,  ///< every 1,000th packet
  kAll,            ///< every packet
  kAllBytes,       ///< every packet, with its bytes
};
inline constexpr std::array kWatches = {Watch::kNothing, Watch::kDrops, Watch::kEveryThousand, Watch::kAll,
                                        Watch::kAllBytes};

/// By Watch, of the whole path. The ratio: cycles ÷ those of kNothing.
using TraceCost = Cost<kWatches.size()>;

/// Measures one case. Error: a packet came out wrong, or was not seen by the trace.
Result<TraceCost> measure_tracing(const Case& what, const Options& options, aead::Engine& engine, rte_mempool* pool,
                                  const std::vector<rte_mbuf*>& mbufs);

/// A table, or with `json` one array.
void print_tracing(const std::vector<TraceCost>& rows, bool json);

}  // namespace culvert::perf
