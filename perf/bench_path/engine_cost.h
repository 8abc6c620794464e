// The AEAD alone, without any path: ipsec-mb against the engine that a worker has, at every level of instructions, in
// turns over the same packets.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "dataplane/abi/result.h"
#include "dataplane/crypto/engine.h"
#include "perf/bench_path/turns.h"

namespace culvert::perf {

/// What takes turns: ipsec-mb at its best and with AVX2, and the workers' engine up to AVX2, VAES and AVX512. What the
/// CPU lacks is measured with what it has.
inline constexpr size_t kEngines = 5;

/// The ratio: throughput ÷ that of ipsec-mb with the same vectors.
using EngineCost = Cost<kEngines>;

/// Measures one case. Error: a packet came out wrong.
Result<EngineCost> measure_engines(const Case& what, const Options& options,
                                   const std::array<std::unique_ptr<aead::Engine>, kEngines>& engines,
                                   const std::vector<rte_mbuf*>& mbufs);

/// In the order of kEngines. Error: the CPU can run none.
Result<std::array<std::unique_ptr<aead::Engine>, kEngines>> make_engines();

/// A table, or with `json` one array.
void print_engines(const std::vector<EngineCost>& rows, bool json);

}  // namespace culvert::perf
