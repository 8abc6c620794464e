// All workers of a dataplane: each on its lcore, with what belongs to it alone, and the rings between them.
#pragma once

#include <rte_mempool.h>

#include <memory>
#include <span>
#include <vector>

#include "dataplane/abi/result.h"
#include "dataplane/gateway.h"
#include "dataplane/link/link_memory.h"
#include "dataplane/steps/handoff.h"
#include "dataplane/steps/trace.h"

namespace culvert::dataplane {

class Workers {
 public:
  /// Makes the workers of `link`. `packets`: a pool for each, by number. `main_doorbell`: eventfd that they wake the
  /// main thread with. All outlive them. Error: no memory.
  static Result<std::unique_ptr<Workers>> make(LinkMemory& link, std::span<rte_mempool* const> packets,
                                               int main_doorbell);
  ~Workers();

  /// Starts worker i on `lcores[i]`; none has a capability left when this returns. On an error those that run are
  /// stopped again.
  Status launch(const std::vector<unsigned>& lcores);
  /// Returns when all have ended; the ports that they used are theirs no more.
  void stop(const std::vector<unsigned>& lcores);

  /// Sessions that they have, as of some milliseconds ago.
  uint64_t sessions() const;
  std::vector<Gateway::WorkerEnd> ends();
  std::vector<steps::TraceMailbox*> traces();
  const std::vector<int>& doorbells() const { return doorbells_; }
  /// The AEAD engine's, for the log.
  const char* aead_name() const;

 private:
  struct Kit;

  Workers();
  static int run(void* kit);
  void stop(const std::vector<unsigned>& lcores, size_t running);

  std::vector<int> doorbells_;
  std::unique_ptr<steps::HandoffRings> rings_;  // before the kits: their paths hold ends of them
  std::vector<std::unique_ptr<Kit>> kits_;
};

}  // namespace culvert::dataplane
