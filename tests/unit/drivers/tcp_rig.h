// The TCP port with clients on loopback: what its tests share.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "dataplane/abi/endpoint_text.h"
#include "dataplane/packet.h"
#include "drivers/kernel_tcp.h"
#include "drivers/socket_address.h"
#include "tests/unit/support/eal.h"
#include "tests/unit/support/wait.h"

namespace culvert::drivers {

using abi::Counter;
using abi::DropReason;
using Bytes = std::vector<uint8_t>;

inline abi::Endpoint at(const std::string& address, uint16_t port) {
  abi::Endpoint endpoint;
  endpoint.address = *abi::parse_ip(address);
  endpoint.port = port;
  endpoint.transport = abi::Transport::kTcp;
  return endpoint;
}

inline Bytes frame(const Bytes& packet) {
  Bytes bytes(kFrameHeader + packet.size());
  bytes[0] = static_cast<uint8_t>(packet.size() >> 8);
  bytes[1] = static_cast<uint8_t>(packet.size());
  std::copy(packet.begin(), packet.end(), bytes.begin() + kFrameHeader);
  return bytes;
}

/// A client's first packet, as far as the port looks at it.
inline Bytes hard_reset() {
  Bytes packet(14, 1);
  packet[0] = 0x38;
  return packet;
}

/// A client's connection.
class Client {
 public:
  explicit Client(const abi::Endpoint& server, const std::string& from = "") {
    int family = family_of(server);
    fd_ = FileDescriptor(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    SocketAddress address;
    if (!from.empty()) {
      socklen_t length = to_socket_address(at(from, 0), family, address);
      EXPECT_EQ(bind(fd_.get(), &address.any, length), 0);
    }
    socklen_t length = to_socket_address(server, family, address);
    EXPECT_EQ(connect(fd_.get(), &address.any, length), 0) << std::strerror(errno);
    getsockname(fd_.get(), &address.any, &length);
    local = from_socket_address(address);
    fcntl(fd_.get(), F_SETFL, O_NONBLOCK);
    (void)set_option(fd_.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  }
  void send(const Bytes& bytes) const {
    ASSERT_EQ(::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  /// Everything that has come so far; sets `ended` when the other side is done.
  Bytes receive() {
    Bytes bytes(1 << 16);
    ssize_t got = recv(fd_.get(), bytes.data(), bytes.size(), 0);
    if (got == 0 || (got < 0 && errno != EAGAIN)) ended = true;
    bytes.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return bytes;
  }
  void finish_sending() const { shutdown(fd_.get(), SHUT_WR); }
  int fd() const { return fd_.get(); }

  abi::Endpoint local;
  bool ended = false;

 private:
  FileDescriptor fd_;
};

class TcpRig : public ::testing::Test {
 protected:
  void TearDown() override { drop_packets(); }

  void open(const std::function<void(TcpSettings&)>& change = {}, const std::string& address = "127.0.0.1") {
    settings_.local = at(address, 0);
    if (change) change(settings_);
    auto socket = open_tcp_socket(settings_);
    ASSERT_TRUE(socket) << socket.error();
    auto port = KernelTcpPort::make(std::move(*socket), settings_, 7, pool_.get());
    ASSERT_TRUE(port) << port.error();
    port_ = *port;
  }
  /// One pass of a worker; the packets stay in packets_.
  void pass() {
    std::array<rte_mbuf*, 64> burst;
    uint16_t count = port_->rx_burst(burst, tally_);
    packets_.insert(packets_.end(), burst.begin(), burst.begin() + count);
  }
  /// Passes until the condition holds.
  bool passes_until(const auto& condition, std::chrono::milliseconds limit = std::chrono::seconds(5)) {
    return testing::wait_until(
        [&] {
          pass();
          return condition();
        },
        limit);
  }
  bool receives(size_t count) {
    return passes_until([&] { return packets_.size() >= count; });
  }
  Bytes bytes(size_t index) const {
    auto* data = rte_pktmbuf_mtod(packets_[index], const uint8_t*);
    return {data, data + packets_[index]->data_len};
  }
  void drop_packets() {
    rte_pktmbuf_free_bulk(packets_.data(), static_cast<unsigned>(packets_.size()));
    packets_.clear();
  }
  /// All packet buffers, until give_buffers_back().
  void take_buffers() {
    while (rte_mbuf* packet = rte_pktmbuf_alloc(pool_.get())) taken_.push_back(packet);
  }
  void give_buffers_back() {
    rte_pktmbuf_free_bulk(taken_.data(), static_cast<unsigned>(taken_.size()));
    taken_.clear();
  }
  /// A client whose first packet has arrived; returns its stream.
  uint64_t introduce(const Client& client) {
    drop_packets();
    client.send(frame(hard_reset()));
    EXPECT_TRUE(receives(1));
    uint64_t stream = packets_.empty() ? 0 : meta(packets_[0]).remote.stream;
    drop_packets();
    return stream;
  }
  void send(uint64_t stream, const Bytes& packet) {
    rte_mbuf* mbuf = pool_.packet(packet);
    meta(mbuf).remote = at("127.0.0.1", 1);
    meta(mbuf).remote.stream = stream;
    port_->tx_burst({&mbuf, 1}, tally_);
  }
  void close(uint64_t stream, bool at_once) { port_->close_stream(stream, at_once, tally_); }
  void end_streams() { port_->end_streams(tally_); }
  uint64_t dropped(DropReason reason) const { return tally_.drops[static_cast<size_t>(reason)]; }
  uint64_t counted(Counter counter) const { return tally_.counters[static_cast<size_t>(counter)]; }

  testing::PacketPool pool_{1023};
  abi::Tally tally_;
  TcpSettings settings_;
  std::shared_ptr<KernelTcpPort> port_;
  std::vector<rte_mbuf*> packets_;
  std::vector<rte_mbuf*> taken_;
};

}  // namespace culvert::drivers
