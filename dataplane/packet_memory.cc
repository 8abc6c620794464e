#include "dataplane/packet_memory.h"

#include <algorithm>
#include <set>
#include <utility>

#include "drivers/nic/device_text.h"
#include "drivers/packet_room.h"

namespace culvert::dataplane {
namespace {

constexpr uint32_t kBuffers = 8191;     ///< for one worker; one less than a power of two is what a mempool stores best
constexpr uint32_t kEalMb = 40;         ///< the packet pool takes 24, EAL itself a few
constexpr uint32_t kRoutesMb = 256;     ///< NIC mode: forwarding tables
constexpr uint32_t kOverhead = 512;     ///< bytes of a buffer: mbuf, PacketMeta, head and tail, pool
constexpr uint32_t kNicPackets = 6144;  ///< queues of 1,024 in both directions, and the 4,096 that AF_XDP keeps

uint32_t pool_mb(const PacketMemory& memory) {
  return (memory.buffers + 1) / 1024 * (memory.largest + kOverhead) / 1024;
}

}  // namespace

PacketMemory packet_memory(const Options& options, std::vector<int> nodes) {
  PacketMemory memory;
  // Each worker keeps bursts, a cache, and what waits in the rings to the others.
  auto more_workers = static_cast<uint32_t>(options.cores.size() - 1);
  memory.buffers = kBuffers + more_workers * (kBuffers + 1) / 2;
  memory.largest = std::max(kMaxPacket, static_cast<uint16_t>(options.tun_mtu + drivers::kTunnelOverhead));
  for (const NicOptions& port : options.ports)
    memory.largest = std::max(memory.largest, static_cast<uint16_t>(drivers::largest_frame(port.device, port.mtu)));
  uint64_t wanted = memory.buffers + kNicPackets * options.ports.size() * options.cores.size();
  while (memory.buffers < wanted) memory.buffers = memory.buffers * 2 + 1;

  if (!options.ports.empty())
    memory.eal_mb = kRoutesMb + pool_mb(memory) + 16;
  else
    memory.eal_mb =
        kEalMb + more_workers * (kEalMb / 2) + (memory.buffers + 1) / 1024 * (memory.largest - kMaxPacket) / 1024;
  auto pools = static_cast<uint32_t>(std::set<int>(nodes.begin(), nodes.end()).size());
  memory.eal_mb += (pools - 1) * pool_mb(memory);
  memory.nodes = std::move(nodes);
  return memory;
}

}  // namespace culvert::dataplane
