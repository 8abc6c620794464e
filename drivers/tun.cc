#include "drivers/tun.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "dataplane/packet.h"

namespace culvert::drivers {

using abi::Counter;
using abi::DropReason;

TunPort::TunPort(TunDevice device, rte_mempool* packets) : device_(std::move(device)), packets_(packets) {}

/// Reads one packet into the empty mbuf `packet`, which stays the caller's.
TunPort::Read TunPort::read_packet(rte_mbuf* packet, abi::Tally& tally) {
  packet->data_off = kHeadroom;
  ssize_t length = read(device_.queue.get(), rte_pktmbuf_mtod(packet, void*), kMaxPacket);
  if (length < 0) {
    if (errno == EBADFD) gone_ = true;  // the device was deleted under us (drivers/net/tun.c, tun_chr_read_iter)
    return Read::kNothing;
  }
  // The kernel cuts a packet that is longer than the room it gets: one that fills the room may have been.
  if (length >= kMaxPacket) {
    tally.drop(DropReason::inner_too_big);
    return Read::kDropped;
  }
  packet->data_len = static_cast<uint16_t>(length);
  packet->pkt_len = static_cast<uint32_t>(length);
  meta(packet) = {};
  return Read::kPacket;
}

/// Takes one packet from the queue and throws it away, for want of a buffer.
TunPort::Read TunPort::discard_packet(abi::Tally& tally) {
  std::array<char, 64> scratch;  // the kernel cuts what doesn't fit
  if (read(device_.queue.get(), scratch.data(), scratch.size()) < 0) {
    if (errno == EBADFD) gone_ = true;
    return Read::kNothing;
  }
  tally.drop(DropReason::mempool_empty);
  return Read::kDropped;
}

uint16_t TunPort::rx_burst(std::span<rte_mbuf*> out, abi::Tally& tally) {
  if (gone_) return 0;
  uint16_t taken = 0;
  rte_mbuf* packet = nullptr;
  for (size_t i = 0; i < out.size(); ++i) {
    if (!packet) packet = rte_pktmbuf_alloc(packets_);
    Read read = packet ? read_packet(packet, tally) : discard_packet(tally);
    if (read == Read::kNothing) break;
    if (read == Read::kPacket) out[taken++] = std::exchange(packet, nullptr);
  }
  rte_pktmbuf_free(packet);
  return taken;
}

/// True when the kernel took the packet; otherwise counted.
bool TunPort::write_packet(rte_mbuf* packet, abi::Tally& tally) {
  ssize_t written;
  do written = write(device_.queue.get(), rte_pktmbuf_mtod(packet, void*), packet->data_len);
  while (written < 0 && errno == EINTR);
  if (written >= 0) return true;
  switch (errno) {
    case EBADFD:
      gone_ = true;
      [[fallthrough]];
    case EIO:  // the device is down
      tally.drop(DropReason::tx_port_down);
      break;
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
      tally.drop(DropReason::tx_queue_full);
      break;
    default:
      tally.drop(DropReason::tx_refused);
  }
  return false;
}

void TunPort::tx_burst(std::span<rte_mbuf*> packets, abi::Tally& tally) {
  if (gone_) {
    tally.drop(DropReason::tx_port_down, packets.size());
  } else {
    for (rte_mbuf* packet : packets) {
      if (!write_packet(packet, tally)) continue;
      tally.add(Counter::inner_tx_packets);
      tally.add(Counter::inner_tx_bytes, packet->data_len);
    }
  }
  rte_pktmbuf_free_bulk(packets.data(), static_cast<unsigned>(packets.size()));
}

}  // namespace culvert::drivers
