#include "perf/bench_path/engine_cost.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "dataplane/crypto/ipsec_mb.h"

namespace culvert::perf {
namespace {

struct Candidate {
  const char* name;
  size_t against;  ///< what its throughput is divided by
  Result<std::unique_ptr<aead::Engine>> (*make)();
};

Result<std::unique_ptr<aead::Engine>> ipsec_mb_avx2() {
  auto made = aead::make_ipsec_mb(aead::Isa::kAvx2);
  return made ? std::move(made) : aead::make_ipsec_mb();
}
template <aead::Level kMost>
Result<std::unique_ptr<aead::Engine>> up_to() {
  return aead::make_engine(kMost);
}

constexpr std::array<Candidate, kEngines> kCandidates = {{{"ipsec-mb", 0, [] { return aead::make_ipsec_mb(); }},
                                                          {"ipsec-mb AVX2", 0, ipsec_mb_avx2},
                                                          {"AVX2", 1, up_to<aead::Level::kAvx2>},
                                                          {"VAES", 1, up_to<aead::Level::kVaes>},
                                                          {"AVX512", 0, up_to<aead::Level::kAvx512>}}};

}  // namespace

Result<std::array<std::unique_ptr<aead::Engine>, kEngines>> make_engines() {
  std::array<std::unique_ptr<aead::Engine>, kEngines> engines;
  for (size_t i = 0; i < kEngines; ++i) {
    auto made = kCandidates[i].make();
    if (!made) return Error{made.error()};
    engines[i] = *std::move(made);
  }
  return engines;
}

Result<EngineCost> measure_engines(const Case& what, const Options& options,
                                   const std::array<std::unique_ptr<aead::Engine>, kEngines>& engines,
                                   const std::vector<rte_mbuf*>& mbufs) {
  // Engines expand keys in forms of their own, so each has its traffic; the buffers are the same.
  std::vector<std::unique_ptr<Traffic>> traffic;
  for (const auto& engine : engines) traffic.push_back(std::make_unique<Traffic>(what, *engine, mbufs));
  std::array<std::vector<double>, kEngines> cycles, ratios;
  constexpr uint32_t kWarmUp = 1;
  for (uint32_t repeat = 0; repeat < kWarmUp + options.repeats; ++repeat) {
    std::array<double, kEngines> round{};
    for (size_t turn = 0; turn < kEngines; ++turn) {
      size_t i = (repeat + turn) % kEngines;  // none always goes first
      traffic[i]->prepare(Kind::kRaw);
      round[i] = time_engine(*traffic[i], *engines[i], what.direction, options.burst);
      if (std::string wrong = traffic[i]->check(Kind::kRaw, {}); !wrong.empty())
        return Error{std::string(kCandidates[i].name) + ": " + wrong};
    }
    if (repeat < kWarmUp) continue;
    for (size_t i = 0; i < kEngines; ++i) {
      cycles[i].push_back(round[i]);
      ratios[i].push_back(round[kCandidates[i].against] / round[i]);
    }
  }
  EngineCost cost{what, {}, {}};
  for (size_t i = 0; i < kEngines; ++i) {
    cost.cycles[i] = figure_of(cycles[i]);
    cost.ratios[i] = figure_of(ratios[i]);
  }
  return cost;
}

void print_engines(const std::vector<EngineCost>& rows, bool json) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  if (!json) {
    std::printf(
        "Cycles per packet of the AEAD alone: ipsec-mb, then the workers' engine up to each level of instructions, and "
        "its throughput ÷ ipsec-mb's with the same vectors.\n\n"
        "dir  cipher             size  sessions");
    for (size_t i = 0; i < kEngines; ++i) std::printf(i == 0 ? " %10s" : "  %13s", kCandidates[i].name);
    std::printf("\n");
  }
  for (const EngineCost& row : rows) {
    nlohmann::ordered_json entry = {{"direction", to_text(row.what.direction)},
                                    {"cipher", to_text(row.what.cipher)},
                                    {"size", size_text(row.what.size)},
                                    {"sessions", row.what.sessions}};
    if (!json)
      std::printf("%-4s %-17s %5s %9u", to_text(row.what.direction).c_str(), to_text(row.what.cipher).c_str(),
                  size_text(row.what.size).c_str(), row.what.sessions);
    for (size_t i = 0; i < kEngines; ++i) {
      const std::string name = kCandidates[i].name;
      entry[name + "_cycles"] = row.cycles[i].median;
      entry[name + "_spread"] = row.cycles[i].spread;
      entry[name + "_ratio"] = row.ratios[i].median;
      if (!json && i == 0) std::printf("     %6.0f", row.cycles[i].median);
      if (!json && i > 0) std::printf("    %6.0f %.2f", row.cycles[i].median, row.ratios[i].median);
    }
    all.push_back(std::move(entry));
    if (!json) std::printf("\n");
  }
  if (json) std::printf("%s\n", all.dump(2).c_str());
}

}  // namespace culvert::perf
