#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "dataplane/packet.h"
#include "drivers/tun.h"

namespace culvert::drivers {

using abi::DropReason;
using offload::VnetHeader;

namespace {

void describe(rte_mbuf* packet, size_t length) {
  packet->data_len = static_cast<uint16_t>(length);
  packet->pkt_len = static_cast<uint32_t>(length);
}

}  // namespace

/// Reads one packet into the empty mbuf `packet`, which stays the caller's, or a super-packet into the staging area.
TunPort::Read TunPort::read_packet(rte_mbuf* packet, abi::Tally& tally) {
  packet->data_off = kHeadroom;
  if (device_.offloads.vnet_header) return read_with_header(packet, tally);
  ssize_t length = read(device_.queue.get(), rte_pktmbuf_mtod(packet, void*), room_);
  if (length < 0) {
    if (errno == EBADFD) gone_ = true;  // the device was deleted under us (drivers/net/tun.c, tun_chr_read_iter)
    return Read::kNothing;
  }
  // The kernel cuts a packet that is longer than the room it gets: one that fills the room may have been.
  if (length >= room_) {
    tally.drop(DropReason::inner_too_big);
    return Read::kDropped;
  }
  describe(packet, static_cast<size_t>(length));
  return Read::kPacket;
}

TunPort::Read TunPort::read_with_header(rte_mbuf* packet, abi::Tally& tally) {
  VnetHeader header;
  std::array<iovec, 3> room{
      {{&header, sizeof header}, {rte_pktmbuf_mtod(packet, void*), room_}, {staging_.get() + room_, kStaging - room_}}};
  ssize_t got = readv(device_.queue.get(), room.data(), room.size());
  if (got < 0) {
    if (errno == EBADFD) gone_ = true;
    return Read::kNothing;
  }
  size_t length = static_cast<size_t>(got) - std::min(static_cast<size_t>(got), sizeof header);
  if (header.gso_type != offload::kGsoNone)
    return begin_super_packet(header, packet, length, tally) ? Read::kSuperPacket : Read::kDropped;
  if (length > room_) {
    tally.drop(DropReason::inner_too_big);
    return Read::kDropped;
  }
  describe(packet, length);
  if (offload::complete_checksum(header, {rte_pktmbuf_mtod(packet, uint8_t*), length})) return Read::kPacket;
  tally.drop(DropReason::inner_malformed);
  return Read::kDropped;
}

/// Moves the beginning of a super-packet from `packet` to the staging area, where the rest is. False: it can't be cut.
bool TunPort::begin_super_packet(const VnetHeader& header, rte_mbuf* packet, size_t length, abi::Tally& tally) {
  std::memcpy(staging_.get(), rte_pktmbuf_mtod(packet, uint8_t*), std::min<size_t>(length, room_));
  auto super = offload::SuperPacket::read(header, {staging_.get(), length});
  if (!super) {
    tally.drop(DropReason::inner_malformed);
    return false;
  }
  if (super->longest() > room_) {
    tally.drop(DropReason::inner_too_big, super->left());
    return false;
  }
  super_ = *super;
  return true;
}

/// Cuts segments off the super-packet into fresh mbufs, as many as `out` takes. Returns how many.
size_t TunPort::cut(std::span<rte_mbuf*> out, abi::Tally& tally) {
  size_t wanted = std::min(out.size(), super_.left());
  size_t count = 0;
  if (rte_pktmbuf_alloc_bulk(packets_, out.data(), static_cast<unsigned>(wanted)) == 0)
    count = wanted;
  else
    while (count < wanted && (out[count] = rte_pktmbuf_alloc(packets_)) != nullptr) ++count;
  for (rte_mbuf* packet : out.first(count)) {
    packet->data_off = kHeadroom;
    describe(packet, super_.write_next(rte_pktmbuf_mtod(packet, uint8_t*)));
  }
  if (count < wanted) {
    tally.drop(DropReason::mempool_empty, super_.left());
    super_ = {};
  }
  return count;
}

/// Takes one packet, or a super-packet, from the queue and throws it away, for want of a buffer.
TunPort::Read TunPort::discard_packet(abi::Tally& tally) {
  VnetHeader header;
  std::array<char, 64> scratch;  // the kernel cuts what doesn't fit
  std::array<iovec, 2> room{{{&header, sizeof header}, {staging_.get(), kStaging}}};
  ssize_t got = staging_ ? readv(device_.queue.get(), room.data(), room.size())
                         : read(device_.queue.get(), scratch.data(), scratch.size());
  if (got < 0) {
    if (errno == EBADFD) gone_ = true;
    return Read::kNothing;
  }
  size_t packets = 1;
  if (staging_ && static_cast<size_t>(got) > sizeof header)
    if (auto super = offload::SuperPacket::read(header, {staging_.get(), static_cast<size_t>(got) - sizeof header}))
      packets = super->left();
  tally.drop(DropReason::mempool_empty, packets);
  return Read::kDropped;
}

uint16_t TunPort::rx_burst(std::span<rte_mbuf*> out, abi::Tally& tally) {
  size_t taken = super_.done() ? 0 : cut(out, tally);
  if (gone_) return static_cast<uint16_t>(taken);
  rte_mbuf* packet = nullptr;
  for (size_t reads = 0; taken < out.size() && reads < out.size(); ++reads) {
    if (!packet) packet = rte_pktmbuf_alloc(packets_);
    Read read = packet ? read_packet(packet, tally) : discard_packet(tally);
    if (read == Read::kNothing) break;
    if (read == Read::kPacket) out[taken++] = std::exchange(packet, nullptr);
    if (read != Read::kSuperPacket) continue;
    // One that has no room as a whole waits for the next burst: cut in two, it would also leave in two.
    if (taken > 0 && super_.left() > out.size() - taken) break;
    taken += cut(out.subspan(taken), tally);
    if (taken >= out.size() / 2) break;
  }
  rte_pktmbuf_free(packet);
  return static_cast<uint16_t>(taken);
}

}  // namespace culvert::drivers
