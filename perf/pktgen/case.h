// One row of the result: a direction and a size, its NDR and PDR, and the latency below.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "perf/pktgen/generator.h"
#include "perf/pktgen/search.h"

namespace culvert::pktgen {

struct LatencyRow {
  double load = 0;  ///< per cent of PDR
  TrialResult trial;
};

struct Case {
  Direction direction{};
  uint32_t size = 0;
  std::optional<Found> ndr, pdr;  ///< none when a rate was given
  std::vector<LatencyRow> latency;
  std::optional<TrialResult> fixed;  ///< the trial at the rate that was given
  std::vector<TrialResult> trials;   ///< all, in order

  /// What no loss explains, over all trials: packets that came back damaged, doubled or out of order.
  WayCounts wrong() const;
};

/// Runs one trial; fails when the gateway is gone.
using RunTrial = std::function<Result<TrialResult>(const TrialSettings&)>;

/// Does what `options` ask for with one direction and size. `log` gets a line per trial.
Result<Case> run_case(Direction direction, uint32_t size, const Options& options, const RunTrial& run,
                      const std::function<void(const std::string&)>& log);

/// Bits of inner packets per second, in Gb/s, of `rate` packets per second.
double gbps_of(double rate, uint32_t size);

}  // namespace culvert::pktgen
