// port-share: what is no OpenVPN goes to the web server and back.
#include "drivers/port_share.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <functional>
#include <string>

#include "dataplane/abi/endpoint_text.h"
#include "drivers/kernel_tcp.h"
#include "drivers/socket_address.h"
#include "tests/unit/support/eal.h"
#include "tests/unit/support/wait.h"

namespace culvert::drivers {
namespace {

using abi::Counter;
using abi::DropReason;

abi::Endpoint loopback(uint16_t port) {
  abi::Endpoint endpoint;
  endpoint.address = *abi::parse_ip("127.0.0.1");
  endpoint.port = port;
  endpoint.transport = abi::Transport::kTcp;
  return endpoint;
}

/// One end of a connection, non-blocking.
struct Peer {
  FileDescriptor fd;
  std::string received;
  bool ended = false;

  void send_text(const std::string& text) const {
    ASSERT_EQ(send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  void receive() {
    std::string bytes(1 << 16, '\0');
    ssize_t got = recv(fd.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN)) ended = true;
    if (got > 0) received.append(bytes, 0, static_cast<size_t>(got));
  }
};

class Sharing : public ::testing::Test {
 protected:
  void SetUp() override {
    TcpSettings web;
    web.local = loopback(0);
    auto socket = open_tcp_socket(web);
    ASSERT_TRUE(socket);
    web_ = std::move(*socket);
    TcpSettings settings;
    settings.local = loopback(0);
    settings.share = web_.local;
    auto outer = open_tcp_socket(settings);
    ASSERT_TRUE(outer);
    port_ = *KernelTcpPort::make(std::move(*outer), settings, 0, pool_.get());
  }
  Peer browser() const {
    Peer peer{FileDescriptor(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), "", false};
    SocketAddress address;
    socklen_t length = to_socket_address(port_->local(), AF_INET, address);
    EXPECT_EQ(connect(peer.fd.get(), &address.any, length), 0);
    return peer;
  }
  bool passes_until(const std::function<bool()>& condition) {
    return testing::wait_until([&] {
      std::array<rte_mbuf*, 64> burst;
      EXPECT_EQ(port_->rx_burst(burst, tally_), 0) << "nothing of it is OpenVPN";
      return condition();
    });
  }
  Peer accept_at_server() {
    Peer peer;
    passes_until([&] {
      peer.fd = FileDescriptor(accept4(web_.fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      return static_cast<bool>(peer.fd);
    });
    return peer;
  }

  uint64_t dropped(DropReason reason) const { return tally_.drops[static_cast<size_t>(reason)]; }
  uint64_t counted(Counter counter) const { return tally_.counters[static_cast<size_t>(counter)]; }

  testing::PacketPool pool_{255};
  abi::Tally tally_;
  TcpSocket web_;
  std::shared_ptr<KernelTcpPort> port_;
};

TEST_F(Sharing, RequestAndAnswerArriveWhole) {
  Peer client = browser();
  client.send_text("GET / HTTP/1.0\r\n\r\n");
  Peer server = accept_at_server();
  ASSERT_TRUE(server.fd);
  ASSERT_TRUE(passes_until([&] {
    server.receive();
    return server.received == "GET / HTTP/1.0\r\n\r\n";
  }));
  std::string page(300'000, 'x');
  size_t sent = 0;
  ASSERT_TRUE(passes_until([&] {
    if (sent < page.size()) {
      ssize_t got = send(server.fd.get(), page.data() + sent, page.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (got > 0) sent += static_cast<size_t>(got);
      if (sent == page.size()) shutdown(server.fd.get(), SHUT_WR);
    }
    client.receive();
    return client.ended;
  }));
  EXPECT_EQ(client.received, page);
  // The other direction is still open until it ends as well.
  client.send_text("more");
  shutdown(client.fd.get(), SHUT_WR);
  ASSERT_TRUE(passes_until([&] {
    server.receive();
    return server.ended;
  }));
  EXPECT_EQ(server.received, "GET / HTTP/1.0\r\n\r\nmore");
  EXPECT_EQ(counted(Counter::streams_shared), 1u);
  EXPECT_EQ(dropped(DropReason::stream_not_openvpn), 0u);
}

TEST_F(Sharing, AReaderThatDoesNotReadCostsBoundedMemory) {
  Peer client = browser();
  client.send_text("GET");
  Peer server = accept_at_server();
  ASSERT_TRUE(server.fd);
  std::string page(1 << 20, 'x');
  size_t sent = 0;
  // Until the kernel's buffers on both sides are full and nothing moves any more.
  size_t still = 0;
  passes_until([&] {
    ssize_t got = send(server.fd.get(), page.data(), page.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    still = got > 0 ? 0 : still + 1;
    sent += got > 0 ? static_cast<size_t>(got) : 0;
    EXPECT_LE(port_->buffered(), 2 * PortShare::kMostBuffered);
    return still > 200;
  });
  EXPECT_GT(sent, 0u);
  client.fd.reset();  // the browser goes away with data unread
  EXPECT_TRUE(passes_until([&] {
    server.receive();
    return server.ended;
  })) << "the server is told";
}

TEST_F(Sharing, AServerThatIsDownEndsTheConnection) {
  web_.fd.reset();
  Peer client = browser();
  client.send_text("GET / HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(passes_until([&] {
    client.receive();
    return client.ended;
  }));
  EXPECT_EQ(dropped(DropReason::stream_not_shared), 1u);
  EXPECT_EQ(counted(Counter::streams_shared), 0u);
}

TEST_F(Sharing, WhereNothingMovesItEnds) {
  constexpr uint64_t kBegun = 1'000'000'000;
  FileDescriptor epoll(epoll_create1(EPOLL_CLOEXEC));
  PortShare share(epoll.get(), web_.local);
  auto take = [&] {
    std::array<int, 2> ends{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
    share.take(FileDescriptor(ends[0]), {}, kBegun, tally_);
    return FileDescriptor(ends[1]);
  };
  FileDescriptor moving = take();
  // The server takes the first; of the second nobody hears.
  constexpr uint64_t kMoved = kBegun + PortShare::kIdleNs - 1;
  ASSERT_TRUE(testing::wait_until([&] {
    epoll_event event{};
    if (epoll_wait(epoll.get(), &event, 1, 0) == 1) share.handle(event.data.u64, event.events, kMoved, tally_);
    return counted(Counter::streams_shared) == 1;
  }));
  FileDescriptor silent = take();
  share.close_idle(kMoved, tally_);
  EXPECT_EQ(share.count(), 2u);
  share.close_idle(kMoved + 1, tally_);
  EXPECT_EQ(share.count(), 1u);
  EXPECT_EQ(dropped(DropReason::stream_not_shared), 1u) << "the one that the server had not taken";
  share.close_idle(kMoved + PortShare::kIdleNs - 1, tally_);
  EXPECT_EQ(share.count(), 1u);
  share.close_idle(kMoved + PortShare::kIdleNs, tally_);
  EXPECT_EQ(share.count(), 0u);
  EXPECT_EQ(dropped(DropReason::stream_not_shared), 1u);
}

TEST_F(Sharing, NoMoreRelaysThanMayBe) {
  std::vector<Peer> clients;
  for (size_t i = 0; i < PortShare::kMostRelays + 20; ++i) {
    clients.push_back(browser());
    clients.back().send_text("GET");
    passes_until([&] { return counted(Counter::streams_ended) == clients.size(); });
  }
  EXPECT_TRUE(passes_until([&] { return counted(Counter::streams_shared) == PortShare::kMostRelays; }));
  EXPECT_EQ(dropped(DropReason::stream_not_shared), 20u);
  size_t ended = 0;
  for (Peer& client : clients) {
    client.receive();
    ended += client.ended ? 1 : 0;
  }
  EXPECT_EQ(ended, 20u);
}

}  // namespace
}  // namespace culvert::drivers
