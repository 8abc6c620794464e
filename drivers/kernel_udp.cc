#include "drivers/kernel_udp.h"

#include <linux/sock_diag.h>

#include "drivers/packet_room.h"

namespace culvert::drivers {

KernelUdpPort::KernelUdpPort(UdpSocket socket, uint16_t index, rte_mempool* packets)
    : socket_(std::move(socket)), index_(index), packets_(packets), room_(packet_room(packets)), rx_{}, tx_{} {
  // Pages of it that no joined datagram is received into are never touched, and take no memory.
  if (socket_.offloads.gro) staging_ = std::make_unique_for_overwrite<uint8_t[]>(kBurst * kStagingStride);
}

KernelUdpPort::~KernelUdpPort() {
  // Without those that a message gave away (null).
  rte_pktmbuf_free_bulk(rx_.packets.data(), static_cast<unsigned>(rx_.filled));
}

void KernelUdpPort::count_losses(abi::Tally& tally) {
  std::array<uint32_t, SK_MEMINFO_VARS> memory{};
  socklen_t size = sizeof memory;
  if (getsockopt(socket_.fd.get(), SOL_SOCKET, SO_MEMINFO, memory.data(), &size) != 0) return;
  if (size < sizeof memory) return;  // a kernel that does not tell drops
  tally.drop(abi::DropReason::udp_rx_missed, missed_.growth(memory[SK_MEMINFO_DROPS]));
}

}  // namespace culvert::drivers
