#include "drivers/kernel_udp.h"

#include <linux/sock_diag.h>

#include "drivers/packet_room.h"

namespace culvert::drivers {

KernelUdpPort::KernelUdpPort(UdpSocket socket, uint16_t index, rte_mempool* packets)
    : socket_(std::move(socket)), index_(index), packets_(packets), room_(packet_room(packets)), rx_{}, tx_{} {
  // Pages of it that no joined datagram is received into are never touched, and take no memory.
  if (socket_.offloads.gro) staging_ = std::make_unique_for_overwrite<uint8_t[]>(kBurst * kStagingStride);
  // Of a socket that another process had, what that one has counted is not to be counted again.
  if (uint32_t before = 0; losses_so_far(before)) missed_.growth(before);
}

KernelUdpPort::~KernelUdpPort() {
  // Without those that a message gave away (null).
  rte_pktmbuf_free_bulk(rx_.packets.data(), static_cast<unsigned>(rx_.filled));
}

/// False: this kernel does not tell.
bool KernelUdpPort::losses_so_far(uint32_t& drops) const {
  std::array<uint32_t, SK_MEMINFO_VARS> memory{};
  socklen_t size = sizeof memory;
  if (getsockopt(socket_.fd.get(), SOL_SOCKET, SO_MEMINFO, memory.data(), &size) != 0 || size < sizeof memory)
    return false;
  drops = memory[SK_MEMINFO_DROPS];
  return true;
}

void KernelUdpPort::count_losses(abi::Tally& tally) {
  uint32_t drops = 0;
  if (losses_so_far(drops)) tally.drop(abi::DropReason::udp_rx_missed, missed_.growth(drops));
}

}  // namespace culvert::drivers
