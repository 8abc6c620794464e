#include <algorithm>
#include <cerrno>
#include <cstring>

#include "dataplane/packet.h"
#include "drivers/kernel_udp.h"

namespace culvert::drivers {

using abi::DropReason;

namespace {

/// How many datagrams a message is: one, or those that the kernel joined.
size_t datagrams_in(const mmsghdr& message) {
  size_t segment = read_segment_size(message.msg_hdr);
  return segment == 0 ? 1 : (message.msg_len + segment - 1) / segment;
}

}  // namespace

/// Fills the places of the messages: those whose packets were given away, the first ones, with fresh packets, which the
/// caches still have. So a packet that comes alone costs one place, not all of them. Without a buffer for each, what
/// there is moves to the front. False: there is not one.
bool KernelUdpPort::fill() {
  size_t& missing = rx_.missing;
  std::array<rte_mbuf*, kBurst> fresh;
  if (missing > 0 && rte_pktmbuf_alloc_bulk(packets_, fresh.data(), static_cast<unsigned>(missing)) == 0)
    while (missing > 0) put(missing - 1, fresh[missing - 1]), --missing;
  if (missing > 0) {
    for (size_t i = missing; i < rx_.filled; ++i) put(i - missing, std::exchange(rx_.packets[i], nullptr));
    rx_.filled -= std::exchange(missing, 0);
  }
  for (rte_mbuf* packet = nullptr; rx_.filled < ask_for_ && (packet = rte_pktmbuf_alloc(packets_)) != nullptr;)
    put(rx_.filled++, packet);
  return rx_.filled > 0;
}

/// Makes message `i` ready to receive into `packet`, and with UDP_GRO into the room behind it.
void KernelUdpPort::put(size_t i, rte_mbuf* packet) {
  rx_.packets[i] = packet;
  packet->data_off = kHeadroom;
  rx_.data[i][0] = {rte_pktmbuf_mtod(packet, void*), room_};
  if (staging_) rx_.data[i][1] = {staging(i) + room_, kStaging - room_};
  msghdr& header = rx_.headers[i].msg_hdr;
  header = {};
  header.msg_name = &rx_.addresses[i];
  header.msg_namelen = sizeof rx_.addresses[i];
  header.msg_iov = rx_.data[i].data();
  header.msg_iovlen = staging_ ? 2 : 1;
  header.msg_control = &rx_.info[i];
  header.msg_controllen = sizeof rx_.info[i];
}

/// recvmmsg into the first `count` prepared messages. Returns how many came, 0 when none waits.
int KernelUdpPort::receive(size_t count, int flags) {
  // An ICMP error that the kernel queued comes out of the call once, in place of a datagram: those behind it are
  // wanted.
  constexpr int kQueuedErrors = 16;
  for (int attempt = 0; attempt < kQueuedErrors; ++attempt) {
    int received =
        recvmmsg(socket_.fd.get(), rx_.headers.data(), static_cast<unsigned>(count), MSG_DONTWAIT | flags, nullptr);
    if (received >= 0) return received;
    if (errno == EAGAIN || errno == ENOMEM || errno == ENOBUFS) return 0;
  }
  return 0;
}

/// Throws away up to `count` messages that wait.
void KernelUdpPort::drain(size_t count, abi::Tally& tally) {
  for (size_t i = 0; i < count; ++i) {
    rx_.headers[i] = {};  // no room given: the kernel drops what doesn't fit
    rx_.headers[i].msg_hdr.msg_control = &rx_.info[i];
    rx_.headers[i].msg_hdr.msg_controllen = sizeof rx_.info[i];
  }
  auto received = static_cast<size_t>(receive(count, MSG_TRUNC));  // which tells how long each was
  for (size_t i = 0; i < received; ++i) tally.drop(DropReason::mempool_empty, datagrams_in(rx_.headers[i]));
}

/// Where message `i` came from.
PacketMeta KernelUdpPort::origin(size_t i) const {
  PacketMeta from{};
  from.remote = from_socket_address(rx_.addresses[i]);
  from.local = read_packet_info(rx_.headers[i].msg_hdr);
  from.local.port = socket_.local.port;
  from.port = index_;
  return from;
}

void KernelUdpPort::describe(rte_mbuf* packet, size_t length, const PacketMeta& from) {
  packet->data_len = static_cast<uint16_t>(length);
  packet->pkt_len = static_cast<uint32_t>(length);
  meta(packet) = from;
}

/// The next message is one datagram, and in its packet. Returns 1, or 0 when it was dropped.
size_t KernelUdpPort::take_single(rte_mbuf*& out, abi::Tally& tally) {
  size_t i = waiting_.next++;
  const mmsghdr& header = rx_.headers[i];
  rte_mbuf* packet = std::exchange(rx_.packets[i], nullptr);
  if (header.msg_len > room_ || (header.msg_hdr.msg_flags & MSG_TRUNC) != 0) {
    tally.drop(DropReason::outer_too_long);
    rte_pktmbuf_free(packet);
    return 0;
  }
  describe(packet, header.msg_len, origin(i));
  out = packet;
  return 1;
}

/// The next message is datagrams of `segment` bytes, the last perhaps shorter: cuts as many as fit `out`. Returns how
/// many.
size_t KernelUdpPort::take_joined(std::span<rte_mbuf*> out, size_t segment, abi::Tally& tally) {
  size_t i = waiting_.next;
  size_t length = rx_.headers[i].msg_len;
  if (waiting_.offset == 0) {
    // All in one piece; the packet gets its first datagram back like any other.
    std::memcpy(staging(i), rte_pktmbuf_mtod(rx_.packets[i], uint8_t*), std::min<size_t>(length, room_));
  }
  PacketMeta from = origin(i);
  size_t taken = 0;
  while (waiting_.offset < length && taken < out.size()) {
    size_t size = std::min(segment, length - waiting_.offset);
    rte_mbuf* packet = rx_.packets[i] ? std::exchange(rx_.packets[i], nullptr) : rte_pktmbuf_alloc(packets_);
    const uint8_t* bytes = staging(i) + waiting_.offset;
    waiting_.offset += size;
    if (packet == nullptr) {
      tally.drop(DropReason::mempool_empty);
      continue;
    }
    packet->data_off = kHeadroom;
    std::memcpy(rte_pktmbuf_mtod(packet, uint8_t*), bytes, size);
    describe(packet, size, from);
    out[taken++] = packet;
  }
  if (waiting_.offset >= length) {
    waiting_.offset = 0;
    ++waiting_.next;
  }
  return taken;
}

/// Takes datagrams out of the messages that wait. One that the kernel had joined and that does not fit as a whole is
/// left for the next call, where it does: cut in two, it would also leave in two.
uint16_t KernelUdpPort::take_waiting(std::span<rte_mbuf*> out, abi::Tally& tally) {
  size_t taken = 0;
  while (waiting_.next < waiting_.received && taken < out.size()) {
    const mmsghdr& header = rx_.headers[waiting_.next];
    size_t segment = staging_ ? read_segment_size(header.msg_hdr) : 0;
    if (segment == 0 || segment >= header.msg_len || (header.msg_hdr.msg_flags & MSG_TRUNC) != 0) {
      taken += take_single(out[taken], tally);
      continue;
    }
    size_t count = (header.msg_len + segment - 1) / segment;
    if (segment > room_) {
      tally.drop(DropReason::outer_too_long, count);
      rte_pktmbuf_free(std::exchange(rx_.packets[waiting_.next++], nullptr));
      continue;
    }
    if (count > out.size() - taken && taken > 0 && waiting_.offset == 0) break;
    taken += take_joined(out.subspan(taken), segment, tally);
  }
  return static_cast<uint16_t>(taken);
}

/// How many messages to ask for next: as many as make a burst or two. The rest waits in the socket, where it takes no
/// cache.
void KernelUdpPort::adapt(size_t messages, size_t asked) {
  if (!staging_ || messages == 0) return;
  size_t datagrams = 0;
  for (size_t i = 0; i < messages; ++i) datagrams += datagrams_in(rx_.headers[i]);
  bool joined = datagrams > messages;
  if (joined)
    ask_for_ = std::clamp<size_t>(kBurst * messages / datagrams, 1, kBurst);
  else if (messages == asked)
    ask_for_ = std::min(kBurst, ask_for_ * 2);
}

uint16_t KernelUdpPort::rx_burst(std::span<rte_mbuf*> out, abi::Tally& tally) {
  if (holds_packets()) return take_waiting(out, tally);
  rx_.missing += std::exchange(waiting_, {}).received;
  if (!fill()) {
    drain(std::min(out.size(), kBurst), tally);
    return 0;
  }
  size_t count = std::min({rx_.filled, staging_ ? ask_for_ : out.size(), kBurst});
  waiting_.received = static_cast<size_t>(receive(count));
  adapt(waiting_.received, count);
  return take_waiting(out, tally);
}

}  // namespace culvert::drivers
