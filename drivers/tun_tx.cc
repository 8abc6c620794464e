#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "dataplane/packet.h"
#include "drivers/tun.h"

namespace culvert::drivers {

using abi::Counter;
using abi::DropReason;
using offload::Coalescer;
using offload::VnetHeader;

namespace {

std::span<uint8_t> bytes_of(rte_mbuf* packet) {
  return {rte_pktmbuf_mtod(packet, uint8_t*), packet->data_len};
}

/// Why a write failed.
DropReason reason_for(int reason) {
  switch (reason) {
    case EBADFD:  // the device was deleted
    case EIO:     // the device is down
      return DropReason::tx_port_down;
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
      return DropReason::tx_queue_full;
    default:
      return DropReason::tx_refused;
  }
}

}  // namespace

/// Writes one frame from its packets' buffers. kRefused: the kernel does not take it as a super-packet; else counted.
TunPort::Written TunPort::write_frame(const Coalescer::Frame& frame, std::span<rte_mbuf* const> packets,
                                      abi::Tally& tally) {
  std::array<iovec, Coalescer::kMost + 1> pieces;
  size_t count = 0;
  VnetHeader header = frame.header;
  if (device_.offloads.vnet_header) pieces[count++] = {&header, sizeof header};
  uint8_t index = frame.first;
  for (size_t i = 0; i < frame.count; ++i) {
    if (i > 0) index = coalescer_.next(index);
    auto bytes = bytes_of(packets[index]).subspan(i > 0 ? coalescer_.payload_offset(index) : 0);
    pieces[count++] = {bytes.data(), bytes.size()};
  }
  ssize_t written = 0;
  do written = writev(device_.queue.get(), pieces.data(), static_cast<int>(count));
  while (written < 0 && errno == EINTR);
  if (written >= 0) {
    // As they came: the super-packet has their headers once.
    uint64_t bytes = 0;
    index = frame.first;
    for (size_t i = 0; i < frame.count; ++i, index = i < frame.count ? coalescer_.next(index) : index)
      bytes += packets[index]->data_len;
    tally.add(Counter::inner_tx_packets, frame.count);
    tally.add(Counter::inner_tx_bytes, bytes);
    return Written::kDone;
  }
  if (errno == EINVAL && frame.count > 1) return Written::kRefused;
  gone_ = gone_ || errno == EBADFD;
  tally.drop(reason_for(errno), frame.count);
  return Written::kFailed;
}

/// The packets of a super-packet that the kernel refused, as they came.
void TunPort::write_one_by_one(const Coalescer::Frame& frame, std::span<rte_mbuf* const> packets, abi::Tally& tally) {
  coalescer_.undo(frame, bytes_of(packets[frame.first]));
  uint8_t index = frame.first;
  for (size_t i = 0; i < frame.count; ++i) {
    if (i > 0) index = coalescer_.next(index);
    Coalescer::Frame alone{};
    alone.first = alone.last = index;
    alone.count = 1;
    write_frame(alone, packets, tally);
  }
}

/// Up to kMost packets. Does not free them.
void TunPort::write_chunk(std::span<rte_mbuf* const> packets, abi::Tally& tally) {
  std::array<std::span<uint8_t>, Coalescer::kMost> bytes;
  for (size_t i = 0; i < packets.size(); ++i) bytes[i] = bytes_of(packets[i]);
  for (const Coalescer::Frame& frame : coalescer_.plan(std::span(bytes).first(packets.size())))
    if (write_frame(frame, packets, tally) == Written::kRefused) write_one_by_one(frame, packets, tally);
}

void TunPort::tx_burst(std::span<rte_mbuf*> packets, abi::Tally& tally) {
  if (gone_) {
    tally.drop(DropReason::tx_port_down, packets.size());
  } else {
    for (auto rest = packets; !rest.empty(); rest = rest.subspan(std::min(Coalescer::kMost, rest.size())))
      write_chunk(rest.first(std::min(Coalescer::kMost, rest.size())), tally);
  }
  rte_pktmbuf_free_bulk(packets.data(), static_cast<unsigned>(packets.size()));
}

}  // namespace culvert::drivers
