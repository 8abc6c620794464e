// What the steps share: everything that belongs to one worker's path.
#pragma once

#include <rte_mempool.h>

#include <memory>

#include "dataplane/abi/layout.h"
#include "dataplane/crypto/aead.h"
#include "dataplane/session/table.h"
#include "dataplane/steps/burst.h"
#include "dataplane/steps/cold_jobs.h"
#include "dataplane/steps/events.h"
#include "dataplane/steps/handoff.h"
#include "dataplane/steps/punt.h"
#include "dataplane/steps/sweep.h"
#include "dataplane/steps/trace.h"
#include "dataplane/steps/transmit.h"

namespace culvert::dataplane {

struct PathContext {
  PathContext(abi::LinkView link_view, uint32_t worker, rte_mempool* pool, aead::Engine& engine,
              std::unique_ptr<session::Table> sessions, const session::EpochLimits& limits = {},
              steps::HandoffRings* rings = nullptr)
      : link(link_view),
        area(link_view.worker(worker)),
        packets(pool),
        aead(engine),
        table(std::move(sessions)),
        epoch_limits(limits),
        events(area, *table, tally),
        punt(area),
        transmit(tally),
        handoff(rings, worker, tally),
        trace(tally, *table) {}

  abi::LinkView link;
  abi::WorkerArea& area;
  rte_mempool* packets;
  aead::Engine& aead;
  abi::Tally tally;
  std::unique_ptr<session::Table> table;
  session::EpochLimits epoch_limits;
  steps::Events events;
  steps::Punt punt;
  steps::Transmit transmit;
  steps::Handoff handoff;
  steps::Trace trace;
  steps::SweepState sweep;
  uint64_t now_ns = 0;  ///< CLOCK_MONOTONIC of the burst that is worked on
  /// Packets that were sealed and opened, modulo 2^32. Starts where a key that was never used counts as cold.
  uint32_t clock = steps::ColdJobs::kColdAfter + 1;
};

}  // namespace culvert::dataplane
