// bench_workers: one worker against two, in turn, each on a core of its own. README.md says how to read the
// figures.
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_lcore.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "dataplane/eal.h"
#include "perf/bench_workers/crowd.h"

namespace {

using namespace culvert;
using namespace culvert::perf;

struct Options {
  std::vector<uint32_t> cores = {0, 1};
  std::vector<uint32_t> sizes = {64, 1400};
  std::vector<uint32_t> elsewhere = {0, 50};  ///< per cent of the packets that arrive at another worker than the owner
  uint32_t sessions = 1000;
  uint32_t milliseconds = 200;
  uint32_t repeats = 11;
  bool json = false;
};

struct Row {
  uint32_t size;
  uint32_t elsewhere;
  double one;     ///< million packets per second, median
  double all;     ///< likewise, of all workers together
  double ratio;   ///< median of the pairs
  double spread;  ///< half the distance between their quartiles
};

double quantile(std::vector<double> values, double at) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(at * static_cast<double>(values.size() - 1) + 0.5)];
}

Result<Row> measure(const Options& options, uint32_t size, uint32_t elsewhere, rte_mempool* pool,
                    const std::vector<unsigned>& lcores) {
  Crowd one({.workers = 1, .sessions = options.sessions, .size = size, .elsewhere = 0}, pool);
  Crowd all({.workers = static_cast<uint32_t>(lcores.size()),
             .sessions = options.sessions,
             .size = size,
             .elsewhere = elsewhere},
            pool);
  std::vector<double> ones, alls, ratios;
  for (uint32_t repeat = 0; repeat <= options.repeats; ++repeat) {
    // The one worker takes each core in turn: they need not be equally quiet.
    auto single = one.run({lcores[repeat % lcores.size()]}, options.milliseconds);
    if (!single) return Error{single.error()};
    auto together = all.run(lcores, options.milliseconds);
    if (!together) return Error{together.error()};
    if (repeat == 0) continue;  // warm-up
    ones.push_back(*single);
    alls.push_back(*together);
    ratios.push_back(*together / *single);
  }
  return Row{size,
             elsewhere,
             quantile(ones, 0.5),
             quantile(alls, 0.5),
             quantile(ratios, 0.5),
             (quantile(ratios, 0.75) - quantile(ratios, 0.25)) / 2};
}

int fail(const std::string& text) {
  std::fprintf(stderr, "bench_workers: %s\n", text.c_str());
  return 1;
}

int run(const Options& options) {
  dataplane::EalOptions eal;
  eal.memory_mb = 128;
  eal.cores = options.cores;
  auto started = dataplane::start_eal(eal);
  if (!started) return fail(started.error());
  auto pool = dataplane::make_packet_pool("bench", 16383);
  if (!pool) return fail(pool.error());
  if (!options.json)
    std::printf(
        "Inner packets in, sealed packets out (AES-256-GCM), %u sessions; million packets per second.\n\n"
        "size  elsewhere   one worker   %zu workers   ratio\n",
        options.sessions, options.cores.size());
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (uint32_t size : options.sizes) {
    for (uint32_t elsewhere : options.elsewhere) {
      auto row = measure(options, size, elsewhere, *pool, started->worker_lcores);
      if (!row) return fail(row.error());
      if (!options.json) {
        std::printf("%4u %8u %% %12.2f %11.2f   %5.2f ±%.2f\n", size, elsewhere, row->one, row->all, row->ratio,
                    row->spread);
        std::fflush(stdout);
      }
      rows.push_back({{"size", size},
                      {"elsewhere_percent", elsewhere},
                      {"workers", options.cores.size()},
                      {"one_mpps", row->one},
                      {"all_mpps", row->all},
                      {"ratio", row->ratio},
                      {"ratio_spread", row->spread}});
    }
  }
  if (options.json) std::printf("%s\n", rows.dump(2).c_str());
  rte_eal_cleanup();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Measures how the packet path scales over workers, in memory.");
  app.add_option("--cores", options.cores, "cores, one worker on each")->delimiter(',')->capture_default_str();
  app.add_option("--size", options.sizes, "bytes of inner packet")
      ->delimiter(',')
      ->check(CLI::Range(40, 1500))
      ->capture_default_str();
  app.add_option("--elsewhere", options.elsewhere,
                 "per cent of packets that arrive at another worker than their session's")
      ->delimiter(',')
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  app.add_option("--sessions", options.sessions, "in all")->check(CLI::Range(2, 100000))->capture_default_str();
  app.add_option("--milliseconds", options.milliseconds, "of one run")
      ->check(CLI::Range(10, 10000))
      ->capture_default_str();
  app.add_option("--repeats", options.repeats, "pairs of runs of each case")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_flag("--json", options.json, "one row per case");
  try {
    app.parse(argc, argv);
    if (options.cores.size() < 2) throw CLI::ValidationError("--cores", "name two cores at least");
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return run(options);
}
