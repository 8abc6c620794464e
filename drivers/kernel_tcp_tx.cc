// The TCP port's sending side: packets of a burst are gathered per connection and written in one call; what the kernel
// does not take waits in the connection's queue.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "drivers/kernel_tcp.h"

namespace culvert::drivers {

using abi::Counter;
using abi::DropReason;

namespace {

constexpr size_t kMostPieces = 64;

/// Writes `pieces`. Returns how many bytes the kernel took; 0 also when the connection is broken: its reading side
/// finds out.
size_t write_pieces(int fd, std::span<iovec> pieces) {
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  ssize_t sent;
  do sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent > 0 ? static_cast<size_t>(sent) : 0;
}

Lane lane_of(const rte_mbuf* packet) {
  auto opcode = static_cast<wire::Opcode>(rte_pktmbuf_mtod(packet, const uint8_t*)[kFrameHeader] >> 3);
  return wire::is_data(opcode) ? Lane::kData : Lane::kControl;
}

/// Puts the length in front. False: no room for it.
bool add_length(rte_mbuf* packet) {
  auto length = packet->data_len;
  auto* front = reinterpret_cast<uint8_t*>(rte_pktmbuf_prepend(packet, kFrameHeader));
  if (front == nullptr) return false;
  front[0] = static_cast<uint8_t>(length >> 8);
  front[1] = static_cast<uint8_t>(length);
  return true;
}

void count_sent(const StreamSendQueue::Sum& sum, abi::Tally& tally) {
  tally.add(Counter::outer_tx_packets, sum.packets);
  tally.add(Counter::outer_tx_bytes, sum.bytes);
}

}  // namespace

void KernelTcpPort::tx_burst(std::span<rte_mbuf*> packets, abi::Tally& tally) {
  std::array<uint16_t, kMostPieces> next;
  for (size_t first = 0; first < packets.size(); first += kMostPieces) {
    auto chunk = packets.subspan(first, std::min(kMostPieces, packets.size() - first));
    std::array<Stream*, kMostPieces> touched;
    size_t touched_count = 0;
    for (size_t i = 0; i < chunk.size(); ++i) {
      Stream* stream = find(meta(chunk[i]).remote.stream);
      bool usable = stream != nullptr && !stream->finished_send;
      if (!usable || chunk[i]->data_len == 0 || !add_length(chunk[i])) {
        tally.drop(usable ? DropReason::no_headroom : DropReason::tx_stream_closed);
        continue;
      }
      next[i] = kNone;
      if (stream->first == kNone) {
        stream->first = static_cast<uint16_t>(i);
        touched[touched_count++] = stream;
      } else {
        next[stream->last] = static_cast<uint16_t>(i);
      }
      stream->last = static_cast<uint16_t>(i);
    }
    for (Stream* stream : std::span(touched).first(touched_count)) send_list(*stream, chunk, next, tally);
    rte_pktmbuf_free_bulk(chunk.data(), static_cast<unsigned>(chunk.size()));
  }
}

/// Sends the packets of the list that begins at stream.first.
void KernelTcpPort::send_list(Stream& stream, std::span<rte_mbuf*> packets, std::span<const uint16_t> next,
                              abi::Tally& tally) {
  std::array<iovec, kMostPieces> pieces;
  size_t count = 0;
  size_t written = 0;
  if (stream.out.empty()) {
    for (uint16_t i = stream.first; i != kNone; i = next[i])
      pieces[count++] = {rte_pktmbuf_mtod(packets[i], void*), packets[i]->data_len};
    written = write_pieces(stream.fd.get(), std::span(pieces).first(count));
  }
  for (uint16_t i = stream.first; i != kNone; i = next[i]) {
    size_t of_this = std::min<size_t>(written, packets[i]->data_len);
    written -= of_this;
    queue_packet(stream, packets[i], of_this, tally);
  }
  stream.first = stream.last = kNone;
  if (!stream.out.empty() && !stream.wants_write)
    stream.wants_write = watch(stream.fd.get(), stream.id, EPOLLIN | EPOLLOUT, true);
}

/// Counts the packet, of which `written` bytes are gone, or queues the rest, to be counted when it is.
void KernelTcpPort::queue_packet(Stream& stream, const rte_mbuf* packet, size_t written, abi::Tally& tally) {
  std::span bytes(rte_pktmbuf_mtod(packet, const uint8_t*), packet->data_len);
  if (written == bytes.size()) return count_sent({1, bytes.size() - kFrameHeader}, tally);
  if (written > 0)
    stream.out.push_rest(bytes, written);
  else if (!stream.out.push(lane_of(packet), bytes))
    tally.drop(DropReason::tx_queue_full);
}

/// Writes what waits.
void KernelTcpPort::flush(Stream& stream, abi::Tally& tally) {
  while (!stream.out.empty()) {
    std::array<iovec, 3> pieces;
    size_t count = stream.out.gather(pieces);
    size_t written = write_pieces(stream.fd.get(), std::span(pieces).first(count));
    if (written == 0) return;
    count_sent(stream.out.written(written), tally);
  }
  if (stream.wants_write) stream.wants_write = !watch(stream.fd.get(), stream.id, EPOLLIN, true);
  if (stream.state == State::kClosing) finish(stream);
}

/// Tells the peer that no more comes, once all has been sent.
void KernelTcpPort::finish(Stream& stream) {
  if (!stream.out.empty() || stream.finished_send) return;
  stream.finished_send = true;
  shutdown(stream.fd.get(), SHUT_WR);
}

}  // namespace culvert::drivers
