// Inner port on a TUN device: whole IP packets, in bursts until the queue is empty or the burst full. With offloads
// (drivers/offload) the kernel hands out super-packets, which are cut here, and gets packets of a flow joined to one.
//
// One object per queue of the device.
#pragma once

#include <rte_mempool.h>

#include <array>
#include <memory>

#include "drivers/offload/coalesce.h"
#include "drivers/offload/segment.h"
#include "drivers/port.h"
#include "drivers/tun_device.h"

namespace culvert::drivers {

class TunPort final : public Port {
 public:
  /// `packets`: made with kPacketPrivateSize, outlives the port. Its buffers say how long a packet may be
  /// (packet_room.h).
  TunPort(TunDevice device, rte_mempool* packets);

  /// No buffer left: the packets that wait are thrown away and counted as mempool_empty. What is left of a super-packet
  /// when `out` is full comes with the next call.
  uint16_t rx_burst(std::span<rte_mbuf*> out, abi::Tally& tally) override;
  /// Device deleted or set down by the operator: tx_port_down. The kernel says that it is no IP packet: tx_refused.
  /// Rewrites headers of packets that it joins.
  void tx_burst(std::span<rte_mbuf*> packets, abi::Tally& tally) override;
  bool holds_packets() const override { return !super_.done(); }
  int wake_fd() const override { return device_.queue.get(); }
  bool is_gone() const override { return gone_; }
  /// What all queues of the device had no room for: tun_rx_missed, at the first queue's port.
  void count_losses(abi::Tally& tally) override;
  Side side() const override { return Side::kInner; }
  std::string name() const override { return "tun " + device_.name; }

 private:
  static constexpr size_t kStaging = 65536;

  // tun_rx.cc
  enum class Read : uint8_t { kPacket, kSuperPacket, kDropped, kNothing };
  Read read_packet(rte_mbuf* packet, abi::Tally& tally);
  Read read_with_header(rte_mbuf* packet, abi::Tally& tally);
  Read discard_packet(abi::Tally& tally);
  bool begin_super_packet(const offload::VnetHeader& header, rte_mbuf* packet, size_t length, abi::Tally& tally);
  size_t cut(std::span<rte_mbuf*> out, abi::Tally& tally);

  // tun_tx.cc
  enum class Written : uint8_t { kDone, kRefused, kFailed };
  Written write_frame(const offload::Coalescer::Frame& frame, std::span<rte_mbuf* const> packets, abi::Tally& tally);
  void write_one_by_one(const offload::Coalescer::Frame& frame, std::span<rte_mbuf* const> packets, abi::Tally& tally);
  void write_chunk(std::span<rte_mbuf* const> packets, abi::Tally& tally);

  TunDevice device_;
  rte_mempool* packets_;
  uint16_t room_;  ///< bytes of a packet in one mbuf
  bool gone_ = false;
  /// Super-packets: read up to room_ bytes into an mbuf, beyond that here; then all of it here, to be cut.
  std::unique_ptr<uint8_t[]> staging_;
  offload::SuperPacket super_;  ///< what is left of the one in staging_
  offload::Coalescer coalescer_;
};

}  // namespace culvert::drivers
