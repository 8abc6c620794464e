// How much memory packets take: what DPDK is asked for at its start.
#pragma once

#include <cstdint>
#include <vector>

#include "dataplane/options.h"
#include "dataplane/packet.h"

namespace culvert::dataplane {

struct PacketMemory {
  uint32_t buffers = 0;           ///< in each pool
  uint16_t largest = kMaxPacket;  ///< bytes of a packet in one
  uint32_t eal_mb = 0;            ///< for all pools, and what else DPDK needs
  std::vector<int> nodes;         ///< NUMA node of each worker, as PacketPools wants it
};

/// `nodes`: of the workers' cores, numa_node_of() each.
PacketMemory packet_memory(const Options& options, std::vector<int> nodes);

}  // namespace culvert::dataplane
