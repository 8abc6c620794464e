// Outer port on a UDP socket of the kernel: bursts by recvmmsg and sendmmsg, straight into and out of mbufs.
#pragma once

#include <rte_mempool.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>

#include "drivers/port.h"
#include "drivers/socket_address.h"
#include "drivers/udp_socket.h"

namespace culvert::drivers {

class KernelUdpPort final : public Port {
 public:
  /// `index`: number of the outer port, put into PacketMeta::port. `packets`: made with kPacketPrivateSize, outlives
  /// the port.
  KernelUdpPort(UdpSocket socket, uint16_t index, rte_mempool* packets);

  /// Receives up to 64 datagrams. Longer than kMaxPacket: outer_too_long. No buffer left: the datagrams that wait are
  /// thrown away and counted as mempool_empty, so that the socket does not keep the worker awake with what it can't
  /// take.
  uint16_t rx_burst(std::span<rte_mbuf*> out, abi::Tally& tally) override;
  /// Sends to PacketMeta::remote from PacketMeta::local. Socket buffer or queue full: the rest of the burst is
  /// tx_queue_full. Anything else (EMSGSIZE, EHOSTUNREACH, EPERM of a filter …) concerns one packet only: tx_refused.
  void tx_burst(std::span<rte_mbuf*> packets, abi::Tally& tally) override;
  int wake_fd() const override { return socket_.fd.get(); }
  Side side() const override { return Side::kOuter; }
  std::string name() const override { return udp_name(socket_.local); }

  const abi::Endpoint& local() const { return socket_.local; }

 private:
  static constexpr size_t kBurst = 64;

  /// One direction's arguments for a burst of system-call messages.
  struct Messages {
    std::array<mmsghdr, kBurst> headers;
    std::array<iovec, kBurst> data;
    std::array<SocketAddress, kBurst> addresses;
    std::array<PacketInfoBuffer, kBurst> info;
  };

  size_t allocate(std::span<rte_mbuf*> out);
  int receive(size_t count);
  void drain(size_t count, abi::Tally& tally);
  bool take(rte_mbuf* packet, const mmsghdr& header, const SocketAddress& from, abi::Tally& tally);
  size_t prepare(std::span<rte_mbuf*> packets, abi::Tally& tally);
  void send(std::span<rte_mbuf*> packets, abi::Tally& tally);

  UdpSocket socket_;
  uint16_t index_;
  rte_mempool* packets_;
  Messages rx_;
  Messages tx_;
};

}  // namespace culvert::drivers
