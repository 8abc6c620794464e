#include "perf/bench_path/engine_cost.h"

#include <cstdio>
#include <cstring>

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
  auto time = [&](size_t i) -> Result<double> {
    traffic[i]->prepare(Kind::kRaw);
    double cycles = time_engine(*traffic[i], *engines[i], what.direction, options.burst);
    if (std::string wrong = traffic[i]->check(Kind::kRaw, {}); !wrong.empty())
      return Error{std::string(kCandidates[i].name) + ": " + wrong};
    return cycles;
  };
  return in_turns<kEngines>(what, options.repeats, time,
                            [](const auto& round, size_t i) { return round[kCandidates[i].against] / round[i]; });
}

void print_engines(const std::vector<EngineCost>& rows, bool json) {
  std::array<const char*, kEngines> names;
  std::string titles;
  for (size_t i = 0; i < kEngines; ++i) {
    names[i] = kCandidates[i].name;
    titles += std::string(i == 0 ? 11 - std::strlen(names[i]) : 15 - std::strlen(names[i]), ' ') + names[i];
  }
  print_costs(
      rows, names,
      "Cycles per packet of the AEAD alone: ipsec-mb, then the workers' engine up to each level of instructions, "
      "and its throughput ÷ ipsec-mb's with the same vectors.\n\n"
      "dir  cipher             size  sessions" +
          titles + "\n",
      json, [](double cycles, double ratio, size_t i) {
        std::array<char, 32> text{};
        if (i == 0)
          std::snprintf(text.data(), text.size(), "     %6.0f", cycles);
        else
          std::snprintf(text.data(), text.size(), "    %6.0f %.2f", cycles, ratio);
        return std::string(text.data());
      });
}

}  // namespace culvert::perf
