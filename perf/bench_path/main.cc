// bench_path: what the packet path costs beside its cryptography. perf/README.md says how to read the figures.
#include <rte_cycles.h>
#include <rte_eal.h>
#include <sched.h>

#include <cstdio>

#include "dataplane/crypto/engine.h"
#include "dataplane/crypto/ipsec_mb.h"
#include "dataplane/eal.h"
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
  auto engine = aead::make_engine();
  if (!engine) return fail(engine.error());
  std::vector<rte_mbuf*> mbufs(options.packets);
  if (rte_pktmbuf_alloc_bulk(*pool, mbufs.data(), options.packets) != 0) return fail("packet pool is too small");

  if (options.trace) {
    std::vector<TraceCost> costs;
    for (const Case& what : cases_of(options)) {
      auto cost = measure_tracing(what, options, **engine, *pool, mbufs);
      if (!cost) return fail(cost.error());
      costs.push_back(*cost);
    }
    print_tracing(costs, options.json);
    rte_pktmbuf_free_bulk(mbufs.data(), options.packets);
    rte_eal_cleanup();
    return 0;
  }

  double cycles_per_ns = static_cast<double>(rte_get_tsc_hz()) / 1e9;
  if (!options.json) {
    std::printf("AEAD alone: ipsec-mb, %s; the path's engine: %s\n", (*raw)->name(), (*engine)->name());
    print_table_head(cycles_per_ns);
  }
  std::vector<Row> rows;
  for (const Case& what : cases_of(options)) {
    auto row = measure(what, options, **raw, **engine, *pool, mbufs);
    if (!row) return fail(row.error());
    if (!options.json) print_table_row(*row, cycles_per_ns);
    rows.push_back(*row);
  }
  if (options.json) std::printf("%s\n", to_json(rows, cycles_per_ns).c_str());
  rte_pktmbuf_free_bulk(mbufs.data(), options.packets);
  rte_eal_cleanup();
  return 0;
}
