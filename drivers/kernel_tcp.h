// Outer port on TCP: accepts connections, cuts their bytes into packets, writes packets to them. One object owns the
// listener and all its connections.
//
// A connection's life:   accepted ──first packet──▶ open ──close_stream──▶ closing (sends what waits) ──▶ gone
//                          │ first bytes foreign        │ end, error, impossible length ──────────────▶ gone
//                          └──▶ port-share, or gone
//
// Bounds: a connection keeps at most kReadSize and one packet unread, StreamSendQueue::kHardLimit and kControlLimit
// unsent. Connections without a session have deadlines and a number limit; the oldest go first. Turns are taken round
// robin, so a connection that sends much waits for those that send little, never the other way round.
#pragma once

#include <rte_mempool.h>

#include <deque>
#include <list>
#include <map>
#include <memory>
#include <vector>

#include "drivers/port.h"
#include "drivers/port_share.h"
#include "drivers/stream_frames.h"
#include "drivers/stream_send_queue.h"
#include "drivers/tcp_socket.h"

namespace culvert::drivers {

class KernelTcpPort final : public Port {
 public:
  static constexpr size_t kReadSize = 96 << 10;  ///< bytes per read at most: a burst of full packets
  static constexpr size_t kTurn = 16;            ///< packets of one connection before it is the turn of one that waits
  static constexpr size_t kAcceptsPerPass = 32;
  static constexpr size_t kMostStreams = 0xFFFF;  ///< places; which one is part of a stream's id

  /// `index`: number of the outer port, put into PacketMeta::port. `packets`: made with kPacketPrivateSize, outlives
  /// the port.
  static Result<std::shared_ptr<KernelTcpPort>> make(TcpSocket socket, const TcpSettings& settings, uint16_t index,
                                                     rte_mempool* packets);
  ~KernelTcpPort() override;

  /// Also accepts, writes what waits, and closes what is due. No buffer left: bytes stay where they are, for later.
  uint16_t rx_burst(std::span<rte_mbuf*> out, abi::Tally& tally) override;
  /// Sends to PacketMeta::remote.stream. Connection gone: tx_stream_closed. Its queue full: tx_queue_full; a frame that
  /// was begun is always finished. What is queued counts as sent when the kernel has taken all of it.
  void tx_burst(std::span<rte_mbuf*> packets, abi::Tally& tally) override;
  int wake_fd() const override { return epoll_.get(); }
  Side side() const override { return Side::kOuter; }
  std::string name() const override { return tcp_name(local_); }

  bool has_room(uint64_t stream) const override;
  bool keep_stream(uint64_t stream, bool keep) override;
  /// Packets of it that were read, or still come before it is gone: stream_closing. Those that were queued and not
  /// sent: tx_stream_closed. What is in the kernel when it ends is counted by nobody: it was never cut into packets.
  void close_stream(uint64_t stream, bool at_once, abi::Tally& tally) override;
  bool has_stream(uint64_t stream) const override;
  void end_streams(abi::Tally& tally) override;
  std::vector<LeftStream> leave_streams() override;
  /// Goes on with connections that a port of the process before had; before the first rx_burst. What makes no sense
  /// is closed. Until keep_stream() says that a session lives on it, each has the time of one without.
  void adopt(std::vector<LeftStream> streams);
  bool take_ended(abi::Endpoint& remote) override;

  const abi::Endpoint& local() const { return local_; }
  size_t stream_count() const override { return slots_.size() - free_.size(); }
  size_t waiting_count() const { return waiting_.size(); }
  /// Bytes that connections keep in user space, both directions.
  size_t buffered() const;
  /// Of those, the ones that came from peers and wait for room in a burst or for packet buffers.
  size_t unread() const;

 private:
  using State = StreamState;
  using Network = std::array<uint8_t, 9>;  // family and the address' first 4 (IPv4) or 8 (IPv6) bytes
  static constexpr uint16_t kNone = 0xFFFF;

  struct Stream {
    uint64_t id = 0;
    FileDescriptor fd;
    abi::Endpoint remote;
    abi::Endpoint local;
    State state = State::kAccepted;
    bool kept = false;           // a session lives on it
    bool in_turn = false;        // stands in turns_
    bool wants_write = false;    // epoll watches for room
    bool finished_send = false;  // shutdown(SHUT_WR) is done
    uint64_t deadline_ns = 0;    // when not kept
    std::list<uint64_t>::iterator waiting;
    size_t usual_frame = 1500;  // bytes: the average of the last turn
    ByteQueue received;
    StreamSendQueue out;
    uint16_t first = kNone;  // packets of the burst that tx_burst works on: a list by index
    uint16_t last = kNone;
  };

  KernelTcpPort(TcpSocket socket, const TcpSettings& settings, uint16_t index, rte_mempool* packets);
  Status start();

  static constexpr uint64_t kListenerTag = 1;  // what epoll says of something that is no connection
  static constexpr uint64_t kTimerTag = 2;

  // kernel_tcp.cc: connections
  Stream* find(uint64_t id) const;
  void handle_events(abi::Tally& tally);
  void accept_some(abi::Tally& tally);
  void add_stream(FileDescriptor fd, const abi::Endpoint& remote, abi::Tally& tally);
  void end(Stream& stream, abi::Tally& tally);
  void share(Stream& stream, std::span<const uint8_t> first, abi::Tally& tally);
  void pause_accepting();
  bool watch(int fd, uint64_t tag, uint32_t events, bool modify) const;
  void lose_unread(Stream& stream, abi::Tally& tally) const;

  // kernel_tcp_waiting.cc
  static uint64_t now_ns();
  static Network network_of(const abi::IpAddress& address);
  void make_place(const Network& network, abi::Tally& tally);
  /// When a connection that comes into `state` now is closed, unless a session lives on it.
  uint64_t deadline_in(State state) const;
  void start_waiting(Stream& stream, uint64_t deadline_ns);
  void stop_waiting(Stream& stream);
  void set_timer();
  void close_due(abi::Tally& tally);

  // kernel_tcp_handover.cc
  void adopt_one(LeftStream& left);

  // kernel_tcp_rx.cc
  enum class Turn : uint8_t { kDone, kAgain, kEnded };
  Turn take_turn(Stream& stream, std::span<rte_mbuf*> out, uint16_t& count, abi::Tally& tally);
  Turn read(Stream& stream, size_t wanted, std::span<const uint8_t>& bytes);
  Turn cut(Stream& stream, std::span<const uint8_t>& bytes, std::span<rte_mbuf*> out, uint16_t& count,
           abi::Tally& tally);
  bool accept_first(Stream& stream, std::span<const uint8_t> bytes, Turn& turn, abi::Tally& tally);
  Turn discard(std::span<const uint8_t>& bytes, abi::Tally& tally) const;
  rte_mbuf* make_packet(const Stream& stream, std::span<const uint8_t> bytes);

  // kernel_tcp_tx.cc
  void send_list(Stream& stream, std::span<rte_mbuf*> packets, std::span<const uint16_t> next, abi::Tally& tally);
  void queue_packet(Stream& stream, const rte_mbuf* packet, size_t written, abi::Tally& tally);
  void flush(Stream& stream, abi::Tally& tally);
  void finish(Stream& stream);

  FileDescriptor listener_;
  abi::Endpoint local_;
  TcpSettings settings_;
  uint16_t index_;
  rte_mempool* packets_;
  FileDescriptor epoll_;
  FileDescriptor timer_;
  bool accepting_ = true;
  bool timer_set_ = false;
  bool short_of_packets_ = false;
  std::vector<std::unique_ptr<Stream>> slots_;
  std::vector<uint16_t> free_;
  std::deque<uint64_t> turns_;   // connections that have, or may have, something to read
  std::list<uint64_t> waiting_;  // without session, oldest first
  std::map<Network, uint32_t> waiting_per_network_;
  std::deque<abi::Endpoint> ended_;
  std::vector<uint8_t> scratch_;
  std::unique_ptr<PortShare> share_;
};

}  // namespace culvert::drivers
