// One client of the swarm: the client engine, its socket, its keys.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "control/openvpn/client.h"
#include "perf/swarm/data_channel.h"
#include "perf/swarm/outer_socket.h"
#include "perf/swarm/packet.h"
#include "perf/swarm/sequence.h"

namespace culvert::swarm {

/// What all members use: one thread's engine for data, buffers, randomness.
struct Shared {
  aead::Engine& engine;
  Random& random;
  ReceiveBuffers buffers;
  OuterSocket::Packets packets;
  std::vector<uint8_t> burst = std::vector<uint8_t>(ReceiveBuffers::kMessageSize);
  Account outer;  ///< forged and replayed packets of all members
};

/// What came out of a tunnel.
struct InnerPacket {
  std::span<const uint8_t> bytes;
  uint64_t received_ns = 0;  ///< of the outer packet, OuterPacket::received_ns
};

class Member {
 public:
  enum class State : uint8_t { kConnecting, kConnected, kLeft, kFailed };
  /// An inner packet that came, with its member.
  using Inner = std::function<void(const InnerPacket&)>;

  Member(openvpn::ClientSettings settings, std::unique_ptr<OuterSocket> socket, Shared& shared);

  void start(Now now);
  /// The socket has something, or room again.
  void on_socket(Now now, const Inner& inner);
  /// Engine deadlines, and keepalives of the data channel.
  void tick(Now now);
  /// The next keepalive comes when `share` of the interval, 0 to 1, is over: those of many members come one by one.
  void spread_keepalive(double share, Now now);
  /// Says goodbye; the member is of no use afterwards.
  void leave(Now now);

  /// A burst of `count` inner packets of `size` bytes; `write` fills in the one of number i. Returns how many were
  /// sent: all or none.
  template <class Write>
  size_t send(size_t count, size_t size, Now now, Write write) {
    if (!ready_to_send()) return 0;
    size_t front = socket_->front() + keys_.front();
    size_t stride = front + size;
    for (size_t i = 0; i < count; ++i) write(i, shared_.burst.data() + i * stride + front);
    return send_burst(count, size, now);
  }
  bool ready_to_send() const { return state_ == State::kConnected && keys_.can_send() && !socket_->waits(); }

  State state() const { return state_; }
  /// Why it failed.
  const std::string& error() const { return error_; }
  const Ip4& address() const { return keys_.session().ip4; }
  const OuterSocket& socket() const { return *socket_; }
  MonoTime started() const { return started_; }
  MonoTime connected_at() const { return connected_at_; }

 private:
  size_t send_burst(size_t count, size_t size, Now now);
  void send_small(std::span<const uint8_t> inner, Now now);
  void open_data(std::span<const OuterPacket> packets, Now now, const Inner& inner);
  void carry_out(Now now);
  void fail(const std::string& why);

  Shared& shared_;
  std::unique_ptr<OuterSocket> socket_;
  abi::Endpoint remote_;
  abi::SessionRef ref_{0, 1};
  openvpn::Client client_;
  DataChannel keys_;
  State state_ = State::kConnecting;
  std::string error_;
  MonoTime started_{}, connected_at_{}, last_sent_{};
};

}  // namespace culvert::swarm
