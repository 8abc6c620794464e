// The TCP port's receiving side: turns, reads, frames.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "drivers/kernel_tcp.h"
#include "drivers/packet_room.h"

namespace culvert::drivers {

using abi::DropReason;

namespace {

/// A read asks at least for what a frame with a full packet of an Ethernet takes.
constexpr size_t kLeastRead = 1500;

}  // namespace

uint16_t KernelTcpPort::rx_burst(std::span<rte_mbuf*> out, abi::Tally& tally) {
  handle_events(tally);
  uint16_t count = 0;
  // A connection that has more stands at the end again; without packet buffers nobody gets on.
  while (count < out.size() && !turns_.empty() && !short_of_packets_) {
    uint64_t id = turns_.front();
    turns_.pop_front();
    Stream* stream = find(id);
    if (stream == nullptr) continue;
    stream->in_turn = false;
    // Nobody waits: one connection may fill the burst, with as few reads as that takes.
    size_t room = turns_.empty() ? out.size() : std::min(out.size(), count + kTurn);
    Turn turn = take_turn(*stream, out.subspan(0, room), count, tally);
    if (turn == Turn::kEnded) {
      end(*stream, tally);
    } else if (turn == Turn::kAgain) {
      stream->in_turn = true;
      turns_.push_back(id);
    }
  }
  return count;
}

/// One connection's turn: at most one read, of as much as that many of its last turn's packets take; packets as far as
/// there is room in `out`.
KernelTcpPort::Turn KernelTcpPort::take_turn(Stream& stream, std::span<rte_mbuf*> out, uint16_t& count,
                                             abi::Tally& tally) {
  bool reads = cut_frame(stream.received.bytes(), packet_room(packets_)).verdict == Cut::kNeedMore;
  std::span<const uint8_t> bytes = stream.received.bytes();
  bool may_have_more = false;
  if (reads) {
    // More than the turn has room for is left in the kernel: here it would have to be copied to wait, and the few
    // packets that are left over would make a burst of their own.
    size_t kept = bytes.size();
    size_t fits = (out.size() - count) * stream.usual_frame;
    size_t wanted = std::clamp(fits - std::min(fits, kept), kLeastRead, kReadSize);
    Turn got = read(stream, wanted, bytes);
    if (got != Turn::kAgain) return got;
    may_have_more = bytes.size() - kept == wanted;
  }
  Turn turn = Turn::kDone;
  std::span<const uint8_t> rest = bytes;
  uint16_t before = count;
  if (stream.state == State::kClosing) {
    turn = discard(rest, tally);
  } else if (stream.state == State::kOpen || accept_first(stream, bytes, turn, tally)) {
    turn = cut(stream, rest, out, count, tally);
    // Its frames were longer than the last ones. When all that has room has come, epoll knows whether there is more.
    if (turn == Turn::kDone && may_have_more && count < out.size()) turn = Turn::kAgain;
  }
  if (!reads) stream.received.consume(bytes.size() - rest.size());
  if (turn == Turn::kEnded) return turn;
  if (reads) stream.received.append(rest);
  if (count > before) stream.usual_frame = (bytes.size() - rest.size()) / (count - before);
  return turn;
}

/// Reads up to `wanted` bytes behind what is kept of the connection. `bytes`: both, in scratch_; then nothing is kept
/// any more. kDone: nothing there. kAgain: go on.
KernelTcpPort::Turn KernelTcpPort::read(Stream& stream, size_t wanted, std::span<const uint8_t>& bytes) {
  std::span<const uint8_t> kept = stream.received.bytes();  // part of one packet
  ssize_t got;
  do got = recv(stream.fd.get(), scratch_.data() + kept.size(), wanted, MSG_DONTWAIT);
  while (got < 0 && errno == EINTR);
  if (got < 0 && (errno == EAGAIN || errno == ENOMEM || errno == ENOBUFS)) return Turn::kDone;
  if (got <= 0) return Turn::kEnded;
  std::copy(kept.begin(), kept.end(), scratch_.begin());
  bytes = std::span<const uint8_t>(scratch_).first(kept.size() + static_cast<size_t>(got));
  stream.received = {};
  return Turn::kAgain;
}

/// Judges the first bytes of a connection. True: it begins like OpenVPN. False: `turn` says how it goes on.
bool KernelTcpPort::accept_first(Stream& stream, std::span<const uint8_t> bytes, Turn& turn, abi::Tally& tally) {
  switch (judge_first_bytes(bytes)) {
    case FirstBytes::kNeedMore:
      turn = Turn::kDone;
      return false;
    case FirstBytes::kOpenvpn:
      return true;
    case FirstBytes::kForeign:
      break;
  }
  if (share_)
    share(stream, bytes, tally);
  else
    tally.drop(DropReason::stream_not_openvpn);
  turn = Turn::kEnded;
  return false;
}

/// Counts what still comes of a connection that is being closed; `bytes` is left with the beginning of a packet.
KernelTcpPort::Turn KernelTcpPort::discard(std::span<const uint8_t>& bytes, abi::Tally& tally) const {
  tally.drop(DropReason::stream_closing, skip_frames(bytes, packet_room(packets_)));
  if (cut_frame(bytes, packet_room(packets_)).verdict != Cut::kBad) return Turn::kDone;
  tally.drop(DropReason::stream_bad_length);
  return Turn::kEnded;
}

/// Makes packets of `bytes` as far as there is room in `out` and in the pool; `bytes` is left with the rest.
KernelTcpPort::Turn KernelTcpPort::cut(Stream& stream, std::span<const uint8_t>& bytes, std::span<rte_mbuf*> out,
                                       uint16_t& count, abi::Tally& tally) {
  for (;;) {
    CutFrame frame = cut_frame(bytes, packet_room(packets_));
    if (frame.verdict == Cut::kNeedMore) return Turn::kDone;
    if (frame.verdict == Cut::kBad) {
      tally.drop(DropReason::stream_bad_length);
      return Turn::kEnded;
    }
    if (count == out.size()) return Turn::kAgain;
    rte_mbuf* packet = make_packet(stream, frame.packet);
    if (packet == nullptr) {
      // Nothing is lost: the bytes wait, and the peer with them.
      short_of_packets_ = true;
      timer_set_ = false;
      set_timer();
      return Turn::kAgain;
    }
    if (stream.state == State::kAccepted) {
      stream.state = State::kOpen;
      start_waiting(stream, stream.deadline_ns + uint64_t{settings_.hand_window_ms} * 1'000'000);
    }
    out[count++] = packet;
    bytes = bytes.subspan(frame.used);
  }
}

rte_mbuf* KernelTcpPort::make_packet(const Stream& stream, std::span<const uint8_t> bytes) {
  rte_mbuf* packet = rte_pktmbuf_alloc(packets_);
  if (packet == nullptr) return nullptr;
  packet->data_off = kHeadroom;
  std::memcpy(rte_pktmbuf_mtod(packet, uint8_t*), bytes.data(), bytes.size());
  packet->data_len = static_cast<uint16_t>(bytes.size());
  packet->pkt_len = packet->data_len;
  PacketMeta& about = meta(packet);
  about.remote = stream.remote;
  about.local = stream.local;
  about.port = index_;
  return packet;
}

}  // namespace culvert::drivers
