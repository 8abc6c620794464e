// The results for people and for programs.
#pragma once

#include <string>
#include <vector>

#include "perf/pktgen/case.h"

namespace culvert::pktgen {

/// What all cases have in common.
struct Setting {
  std::string cipher;  ///< "AES-256-GCM"
  std::string aead;    ///< the generator's engine: "AVX512"
  double handshake_seconds = 0;
};

/// Tables as they go to stdout.
std::string to_table(const std::vector<Case>& cases);
/// What is wrong beyond lost packets, a line per case; empty when nothing is.
std::string to_complaints(const std::vector<Case>& cases);
/// Everything, with all trials and the latency histograms.
std::string to_json(const std::vector<Case>& cases, const Setting& setting, const Options& options);
/// NDR and PDR as bars, and for each case the latency by percentile at each load.
std::string to_svg(const std::vector<Case>& cases, const Setting& setting, const Options& options);

}  // namespace culvert::pktgen
