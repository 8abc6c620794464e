// Starts DPDK's environment abstraction layer the way a gateway wants it: no PCI, no telemetry, no file left behind,
// many instances side by side, hugepages where free ones exist and ordinary memory where none do.
#pragma once

#include <rte_mempool.h>

#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/abi/layout.h"
#include "dataplane/abi/result.h"
#include "dataplane/packet.h"

namespace culvert::dataplane {

enum class Huge : uint8_t { kAuto, kOff };

using abi::kAnyCore;

struct EalOptions {
  Huge huge = Huge::kAuto;
  uint32_t memory_mb = 64;                   ///< DPDK memory: packet pool and tables
  std::vector<uint32_t> cores = {kAnyCore};  ///< CPU of each worker, or kAnyCore
  std::vector<std::string> pci = {};  ///< PCI devices to probe, with their arguments; empty: the bus is not looked at
  std::string run_dir = "/tmp";       ///< EAL makes a folder in it, which is removed again before start_eal returns
};

struct EalInfo {
  std::string memory;                   ///< "hugepages of 2 MB" or "ordinary memory (no 64 MB of free hugepages)"
  std::vector<unsigned> worker_lcores;  ///< DPDK lcore of each worker
};

/// Starts EAL with the calling thread as main lcore (free to run on any CPU of the process) and one lcore per worker.
/// Once per process: DPDK can't start twice. Errors: a core that doesn't exist or isn't allowed, no memory.
Result<EalInfo> start_eal(const EalOptions& options);

/// A pool of `count` packet buffers, each with room for PacketMeta and for packets of `largest` bytes between kHeadroom
/// and kTailroom, on this NUMA node. Error: not enough memory.
Result<rte_mempool*> make_packet_pool(const std::string& name, uint32_t count, uint16_t largest = kMaxPacket,
                                      int node = SOCKET_ID_ANY);

}  // namespace culvert::dataplane
