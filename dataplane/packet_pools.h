// Packet buffers where they are used: one pool on each NUMA node that a worker's core belongs to.
#pragma once

#include <rte_mempool.h>

#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/abi/result.h"

namespace culvert::dataplane {

/// NUMA node of a core, as the kernel has it; SOCKET_ID_ANY for kAnyCore, and on a machine that has only one. Needs no
/// EAL.
int numa_node_of(uint32_t core);

class PacketPools {
 public:
  /// A pool of `count` buffers for packets of `largest` bytes on each of the `nodes`, which are the workers'. EAL runs.
  /// The pools live as long as EAL. Error: not enough memory, on which node.
  static Result<PacketPools> make(const std::vector<int>& nodes, uint32_t count, uint16_t largest);

  /// By worker: those on one node have the same.
  std::span<rte_mempool* const> by_worker() const { return by_worker_; }

 private:
  std::vector<rte_mempool*> by_worker_;
};

}  // namespace culvert::dataplane
