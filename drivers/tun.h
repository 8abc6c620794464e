// Inner port on a TUN device: whole IP packets, one read or write each, in bursts until the queue is empty or the burst
// full.
//
// One object per queue of the device. The framing of a packet on the queue is known to read_packet and write_packet
// only, so that offloads (IFF_VNET_HDR) and more queues (IFF_MULTI_QUEUE) change those two and make_tun.
#pragma once

#include <rte_mempool.h>

#include "drivers/port.h"
#include "drivers/tun_device.h"

namespace culvert::drivers {

class TunPort final : public Port {
 public:
  /// `packets`: made with kPacketPrivateSize, outlives the port.
  TunPort(TunDevice device, rte_mempool* packets);

  /// No buffer left: the packets that wait are thrown away and counted as mempool_empty.
  uint16_t rx_burst(std::span<rte_mbuf*> out, abi::Tally& tally) override;
  /// Device deleted or set down by the operator: tx_port_down. The kernel says that it is no IP packet: tx_refused.
  void tx_burst(std::span<rte_mbuf*> packets, abi::Tally& tally) override;
  int wake_fd() const override { return device_.queue.get(); }
  bool is_gone() const override { return gone_; }
  Side side() const override { return Side::kInner; }
  std::string name() const override { return "tun " + device_.name; }

 private:
  enum class Read : uint8_t { kPacket, kDropped, kNothing };
  Read read_packet(rte_mbuf* packet, abi::Tally& tally);
  Read discard_packet(abi::Tally& tally);
  bool write_packet(rte_mbuf* packet, abi::Tally& tally);

  TunDevice device_;
  rte_mempool* packets_;
  bool gone_ = false;
};

}  // namespace culvert::drivers
