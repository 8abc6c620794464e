#include "drivers/kernel_udp.h"

#include <algorithm>
#include <cerrno>

#include "dataplane/packet.h"

namespace culvert::drivers {

using abi::Counter;
using abi::DropReason;

KernelUdpPort::KernelUdpPort(UdpSocket socket, uint16_t index, rte_mempool* packets)
    : socket_(std::move(socket)), index_(index), packets_(packets), rx_{}, tx_{} {}

/// Fills `out` with empty packets, as many as the pool has. Returns how many.
size_t KernelUdpPort::allocate(std::span<rte_mbuf*> out) {
  if (rte_pktmbuf_alloc_bulk(packets_, out.data(), static_cast<unsigned>(out.size())) == 0) return out.size();
  size_t count = 0;
  while (count < out.size() && (out[count] = rte_pktmbuf_alloc(packets_)) != nullptr) ++count;
  return count;
}

/// recvmmsg into the first `count` prepared messages. Returns how many came, 0 when none waits.
int KernelUdpPort::receive(size_t count) {
  // An ICMP error that the kernel queued comes out of the call once, in place of a datagram: those behind it are
  // wanted.
  constexpr int kQueuedErrors = 16;
  for (int attempt = 0; attempt < kQueuedErrors; ++attempt) {
    int received = recvmmsg(socket_.fd.get(), rx_.headers.data(), static_cast<unsigned>(count), MSG_DONTWAIT, nullptr);
    if (received >= 0) return received;
    if (errno == EAGAIN || errno == ENOMEM || errno == ENOBUFS) return 0;
  }
  return 0;
}

/// Throws away up to `count` datagrams that wait.
void KernelUdpPort::drain(size_t count, abi::Tally& tally) {
  for (size_t i = 0; i < count; ++i) rx_.headers[i] = {};  // no room given: the kernel drops what doesn't fit
  tally.drop(DropReason::mempool_empty, static_cast<uint64_t>(receive(count)));
}

/// Completes a received packet. False: it was dropped and freed.
bool KernelUdpPort::take(rte_mbuf* packet, const mmsghdr& header, const SocketAddress& from, abi::Tally& tally) {
  if ((header.msg_hdr.msg_flags & MSG_TRUNC) != 0) {
    tally.drop(DropReason::outer_too_long);
    rte_pktmbuf_free(packet);
    return false;
  }
  packet->data_len = static_cast<uint16_t>(header.msg_len);
  packet->pkt_len = header.msg_len;
  PacketMeta& about = meta(packet);
  about = {};
  about.remote = from_socket_address(from);
  about.local = read_packet_info(header.msg_hdr);
  about.local.port = socket_.local.port;
  about.port = index_;
  return true;
}

uint16_t KernelUdpPort::rx_burst(std::span<rte_mbuf*> out, abi::Tally& tally) {
  size_t wanted = std::min(out.size(), kBurst);
  size_t count = allocate(out.first(wanted));
  if (count == 0) {
    drain(wanted, tally);
    return 0;
  }
  for (size_t i = 0; i < count; ++i) {
    out[i]->data_off = kHeadroom;
    rx_.data[i] = {rte_pktmbuf_mtod(out[i], void*), kMaxPacket};
    msghdr& header = rx_.headers[i].msg_hdr;
    header = {};
    header.msg_name = &rx_.addresses[i];
    header.msg_namelen = sizeof rx_.addresses[i];
    header.msg_iov = &rx_.data[i];
    header.msg_iovlen = 1;
    header.msg_control = &rx_.info[i];
    header.msg_controllen = sizeof rx_.info[i];
  }
  auto received = static_cast<size_t>(receive(count));
  if (received < count) rte_pktmbuf_free_bulk(&out[received], static_cast<unsigned>(count - received));
  uint16_t taken = 0;
  for (size_t i = 0; i < received; ++i)
    if (take(out[i], rx_.headers[i], rx_.addresses[i], tally)) out[taken++] = out[i];
  return taken;
}

/// Prepares messages for `packets`; those that this socket can't send to are counted, freed and left out. Returns how
/// many remain at the front of `packets`.
size_t KernelUdpPort::prepare(std::span<rte_mbuf*> packets, abi::Tally& tally) {
  size_t count = 0;
  for (rte_mbuf* packet : packets) {
    msghdr& header = tx_.headers[count].msg_hdr;
    header = {};
    header.msg_namelen = to_socket_address(meta(packet).remote, socket_.family, tx_.addresses[count]);
    if (header.msg_namelen == 0) {
      tally.drop(DropReason::tx_refused);
      rte_pktmbuf_free(packet);
      continue;
    }
    header.msg_name = &tx_.addresses[count];
    tx_.data[count] = {rte_pktmbuf_mtod(packet, void*), packet->data_len};
    header.msg_iov = &tx_.data[count];
    header.msg_iovlen = 1;
    write_packet_info(meta(packet).local, socket_.family, tx_.info[count], header);
    packets[count++] = packet;
  }
  return count;
}

/// sendmmsg for prepared packets; counts, does not free.
void KernelUdpPort::send(std::span<rte_mbuf*> packets, abi::Tally& tally) {
  size_t done = 0;
  while (done < packets.size()) {
    int sent =
        sendmmsg(socket_.fd.get(), &tx_.headers[done], static_cast<unsigned>(packets.size() - done), MSG_DONTWAIT);
    if (sent > 0) {
      uint64_t bytes = 0;
      for (size_t i = 0; i < static_cast<size_t>(sent); ++i) bytes += packets[done + i]->data_len;
      tally.add(Counter::outer_tx_packets, static_cast<uint64_t>(sent));
      tally.add(Counter::outer_tx_bytes, bytes);
      done += static_cast<size_t>(sent);
    } else if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM) {
      tally.drop(DropReason::tx_queue_full, packets.size() - done);
      return;
    } else if (errno != EINTR) {
      tally.drop(DropReason::tx_refused);
      ++done;
    }
  }
}

void KernelUdpPort::tx_burst(std::span<rte_mbuf*> packets, abi::Tally& tally) {
  for (size_t first = 0; first < packets.size(); first += kBurst) {
    std::span<rte_mbuf*> chunk = packets.subspan(first, std::min(kBurst, packets.size() - first));
    size_t count = prepare(chunk, tally);
    send(chunk.first(count), tally);
    rte_pktmbuf_free_bulk(chunk.data(), static_cast<unsigned>(count));
  }
}

}  // namespace culvert::drivers
