// bench_path: what the packet path costs beside its cryptography. README.md says how to read the figures.
#include <rte_cycles.h>
#include <rte_eal.h>
#include <sched.h>

#include <algorithm>
#include <cstdio>
#include <random>

#include "dataplane/crypto/engine.h"
#include "dataplane/crypto/ipsec_mb.h"
#include "dataplane/eal.h"
#include "perf/bench_path/engine_cost.h"
#include "perf/bench_path/measure.h"
#include "perf/bench_path/trace_cost.h"

namespace {

using namespace culvert;
using namespace culvert::perf;

int fail(const std::string& text) {
  std::fprintf(stderr, "bench_path: %s\n", text.c_str());
  return 1;
}

// A thread that is moved between CPUs measures the move.
void stay_on_this_cpu() {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(sched_getcpu(), &set);
  sched_setaffinity(0, sizeof set, &set);
}

std::vector<Case> cases_of(const Options& options) {
  std::vector<Case> cases;
  for (Direction direction : options.directions)
    for (abi::Cipher cipher : options.ciphers)
      for (uint32_t sessions : options.sessions)
        for (uint32_t size : options.sizes) cases.push_back({direction, cipher, size, sessions});
  return cases;
}

/// Measures every case and prints them together. Error: a packet came out wrong.
template <class Cost, class Measure>
Status measure_each(const Options& options, Measure measure_one, void (*print)(const std::vector<Cost>&, bool)) {
  std::vector<Cost> costs;
  for (const Case& what : cases_of(options)) {
    auto cost = measure_one(what);
    if (!cost) return Error{cost.error()};
    costs.push_back(*cost);
  }
  print(costs, options.json);
  return {};
}

Status measure_all_engines(const Options& options, const std::vector<rte_mbuf*>& mbufs) {
  auto engines = make_engines();
  if (!engines) return Error{engines.error()};
  auto one = [&](const Case& what) { return measure_engines(what, options, *engines, mbufs); };
  return measure_each<EngineCost>(options, one, print_engines);
}

Status measure_path(const Options& options, aead::Engine& raw, aead::Engine& engine, rte_mempool* pool,
                    const std::vector<rte_mbuf*>& mbufs) {
  double cycles_per_ns = static_cast<double>(rte_get_tsc_hz()) / 1e9;
  if (!options.json) {
    std::printf("AEAD alone: ipsec-mb, %s; the path's engine: %s; order of the buffers: %s\n", raw.name(),
                engine.name(), to_text(options.order).c_str());
    print_table_head(cycles_per_ns);
  }
  std::vector<Row> rows;
  for (const Case& what : cases_of(options)) {
    auto row = measure(what, options, raw, engine, pool, mbufs);
    if (!row) return Error{row.error()};
    if (!options.json) print_table_row(*row, cycles_per_ns);
    rows.push_back(*row);
  }
  if (options.json) std::printf("%s\n", to_json(rows, options.order, cycles_per_ns).c_str());
  return {};
}

Status measure_traces(const Options& options, aead::Engine& engine, rte_mempool* pool,
                      const std::vector<rte_mbuf*>& mbufs) {
  auto one = [&](const Case& what) { return measure_tracing(what, options, engine, pool, mbufs); };
  return measure_each<TraceCost>(options, one, print_tracing);
}

}  // namespace

int main(int argc, char** argv) {
  auto [options, exit_status] = parse_options(argc, argv);
  if (exit_status) return *exit_status;

  dataplane::EalOptions eal;
  eal.memory_mb = 64 + options.packets * 3 / 1024;
  if (auto started = dataplane::start_eal(eal); !started) return fail(started.error());
  stay_on_this_cpu();
  auto pool = dataplane::make_packet_pool("bench", options.packets);
  if (!pool) return fail(pool.error());
  auto raw = aead::make_ipsec_mb();
  if (!raw) return fail(raw.error());
  auto engine = aead::make_engine(options.level);
  if (!engine) return fail(engine.error());
  std::vector<rte_mbuf*> mbufs(options.packets);
  if (rte_pktmbuf_alloc_bulk(*pool, mbufs.data(), options.packets) != 0) return fail("packet pool is too small");
  constexpr unsigned kSeed = 1;  // the same order in every run
  if (options.order == Order::kShuffled) std::shuffle(mbufs.begin(), mbufs.end(), std::mt19937(kSeed));

  Status done = options.trace     ? measure_traces(options, **engine, *pool, mbufs)
                : options.engines ? measure_all_engines(options, mbufs)
                                  : measure_path(options, **raw, **engine, *pool, mbufs);
  rte_pktmbuf_free_bulk(mbufs.data(), options.packets);
  rte_eal_cleanup();
  return done ? 0 : fail(done.error());
}
