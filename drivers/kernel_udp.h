// Outer port on a UDP socket of the kernel: bursts by recvmmsg and sendmmsg. Single datagrams go straight into and out
// of mbufs. With UDP_SEGMENT and UDP_GRO (udp_offload.h), packets of one size to or from one peer are one message:
// gathered from mbufs on the way out, cut into mbufs on the way in.
#pragma once

#include <rte_mempool.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <memory>

#include "dataplane/packet.h"
#include "drivers/offload/datagram_runs.h"
#include "drivers/port.h"
#include "drivers/socket_address.h"
#include "drivers/udp_socket.h"
#include "drivers/wrapping_count.h"

namespace culvert::drivers {

class KernelUdpPort final : public Port {
 public:
  /// `index`: number of the outer port, put into PacketMeta::port. `packets`: made with kPacketPrivateSize, outlives
  /// the port, which keeps up to 64 of them to receive into.
  KernelUdpPort(UdpSocket socket, uint16_t index, rte_mempool* packets);
  ~KernelUdpPort() override;
  KernelUdpPort(const KernelUdpPort&) = delete;
  KernelUdpPort& operator=(const KernelUdpPort&) = delete;

  /// Receives up to 64 datagrams; what the kernel had joined and `out` has no room for comes with the next call. Longer
  /// than the pool's buffers hold (packet_room.h): outer_too_long. No buffer left: the datagrams that wait are thrown
  /// away and counted as mempool_empty, so that the socket does not keep the worker awake with what it can't take.
  uint16_t rx_burst(std::span<rte_mbuf*> out, abi::Tally& tally) override;
  /// Sends to PacketMeta::remote from PacketMeta::local. Socket buffer or queue full: the rest of the burst is
  /// tx_queue_full. Anything else (EMSGSIZE, EHOSTUNREACH, EPERM of a filter …) concerns one packet only: tx_refused.
  /// A run that the kernel does not cut is sent packet by packet.
  void tx_burst(std::span<rte_mbuf*> packets, abi::Tally& tally) override;
  bool holds_packets() const override { return waiting_.next < waiting_.received; }
  int wake_fd() const override { return socket_.fd.get(); }
  /// Datagrams that the socket had no room for, or whose checksum was wrong: udp_rx_missed. Of datagrams that the
  /// kernel had joined it counts the first only.
  void count_losses(abi::Tally& tally) override;
  Side side() const override { return Side::kOuter; }
  std::string name() const override { return udp_name(socket_.local); }

  const abi::Endpoint& local() const { return socket_.local; }

 private:
  static constexpr size_t kBurst = 64;
  static_assert(kBurst <= offload::DatagramRuns::kMost);

  /// What waits in the messages of the last recvmmsg.
  struct Waiting {
    size_t received = 0;  ///< messages
    size_t next = 0;      ///< the one to take from
    size_t offset = 0;    ///< bytes of it that were taken
  };
  struct Rx {
    std::array<mmsghdr, kBurst> headers;
    std::array<std::array<iovec, 2>, kBurst> data;  ///< the mbuf, and what is behind it
    std::array<SocketAddress, kBurst> addresses;
    std::array<PacketInfoBuffer, kBurst> info;
    std::array<rte_mbuf*, kBurst> packets;
    size_t missing = kBurst;  ///< the first places have no packet,
    size_t filled = kBurst;   ///< from there to here they have, and behind it they have not either
  };
  struct Tx {
    std::array<mmsghdr, kBurst> headers;
    std::array<iovec, kBurst> data;
    std::array<SocketAddress, kBurst> addresses;
    std::array<PacketInfoBuffer, kBurst> info;
  };

  // kernel_udp_rx.cc
  bool fill();
  void put(size_t i, rte_mbuf* packet);
  int receive(size_t count, int flags = 0);
  void drain(size_t count, abi::Tally& tally);
  void adapt(size_t messages, size_t asked);
  uint16_t take_waiting(std::span<rte_mbuf*> out, abi::Tally& tally);
  void describe(rte_mbuf* packet, size_t length, const PacketMeta& from);
  bool losses_so_far(uint32_t& drops) const;
  size_t take_single(rte_mbuf*& out, abi::Tally& tally);
  size_t take_joined(std::span<rte_mbuf*> out, size_t segment, abi::Tally& tally);
  PacketMeta origin(size_t message) const;
  uint8_t* staging(size_t message) { return staging_.get() + message * kStagingStride; }

  // kernel_udp_tx.cc
  using Run = offload::DatagramRuns::Run;
  size_t keep_reachable(std::span<rte_mbuf*> packets, abi::Tally& tally);
  size_t prepare_run(const Run& run, std::span<rte_mbuf* const> packets, size_t message, size_t data);
  bool send(std::span<const Run> runs, std::span<rte_mbuf* const> packets, abi::Tally& tally);
  bool send_one_by_one(const Run& run, std::span<rte_mbuf* const> packets, abi::Tally& tally);

  /// Joined datagrams are received up to room_ bytes into the mbuf and beyond that here, one part for each
  /// message. The first room_ bytes of a part are room to have all in one piece.
  static constexpr size_t kStaging = 65536;
  static constexpr size_t kStagingStride = kStaging + 4096 + 192;  ///< not all in the same lines of a cache

  UdpSocket socket_;
  uint16_t index_;
  rte_mempool* packets_;
  uint16_t room_;  ///< bytes of a packet in one mbuf
  Rx rx_;
  Tx tx_;
  Waiting waiting_;
  size_t ask_for_ = kBurst;             ///< messages of the next recvmmsg
  std::unique_ptr<uint8_t[]> staging_;  ///< null without UDP_GRO
  offload::DatagramRuns plan_;
  offload::SegmentRefusals refusals_;
  WrappingCount missed_;
};

}  // namespace culvert::drivers
