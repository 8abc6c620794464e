#include "drivers/kernel_udp.h"

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

}  // namespace culvert::drivers
