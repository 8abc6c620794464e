// Some workers with their paths, rings between them, and packets that come out of nowhere and go there.
#pragma once

#include <rte_mempool.h>

#include <atomic>
#include <memory>
#include <vector>

#include "dataplane/crypto/aead.h"
#include "dataplane/path.h"
#include "dataplane/steps/handoff.h"
#include "perf/bench_path/pages.h"
#include "perf/bench_workers/sink_port.h"

namespace culvert::perf {

class Crowd {
 public:
  struct Settings {
    uint32_t workers;
    uint32_t sessions;   ///< spread evenly over the workers
    uint32_t size;       ///< bytes of an inner packet
    uint32_t elsewhere;  ///< per cent of a worker's packets that are for sessions of others
  };
  /// `pool` outlives it.
  Crowd(const Settings& settings, rte_mempool* pool);

  /// Lets all workers run for `milliseconds`, worker i on `lcores[i]`. Returns million sealed packets per second, of
  /// all together. Error: a packet was dropped for another reason than that its ring was full, or an lcore is busy.
  Result<double> run(const std::vector<unsigned>& lcores, uint32_t milliseconds);

 private:
  struct Side {
    Crowd* crowd;
    uint32_t worker;
    std::unique_ptr<aead::Engine> aead;
    SinkPort sink;
    std::unique_ptr<dataplane::Path> path;
    std::vector<uint32_t> own, others;  ///< peer-ids
    uint64_t sealed = 0;
    uint64_t cycles = 0;
  };

  static int work(void* side);
  void fill(Side& side, rte_mbuf* packet, uint32_t number) const;

  Settings settings_;
  rte_mempool* pool_;
  Pages link_;
  std::unique_ptr<steps::HandoffRings> rings_;
  std::vector<std::unique_ptr<Side>> sides_;
  std::atomic<uint32_t> ready_{0};
  std::atomic<bool> stop_{false};
};

}  // namespace culvert::perf
