// What came out of a run, as text, JSON and SVG.
#pragma once

#include <string>
#include <vector>

#include "perf/swarm/swarm.h"

namespace culvert::swarm {

struct Run {
  const Options& options;
  ConnectResult connect;
  std::vector<PhaseResult> phases;
};

std::string to_text(const Run& run);
std::string to_json(const Run& run);
/// Goodput per phase as bars, and latency by percentile.
std::string to_svg(const Run& run);

}  // namespace culvert::swarm
