// The UDP port against real sockets on loopback.
#include "drivers/kernel_udp.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "dataplane/abi/endpoint_text.h"
#include "dataplane/packet.h"
#include "drivers/tun_device.h"
#include "tests/unit/support/eal.h"
#include "tests/unit/support/network_namespace.h"
#include "tests/unit/support/wait.h"

namespace culvert::drivers {
namespace {

using abi::Counter;
using abi::DropReason;

abi::Endpoint at(const std::string& address, uint16_t port) {
  abi::Endpoint endpoint;
  endpoint.address = *abi::parse_ip(address);
  endpoint.port = port;
  return endpoint;
}

/// A client: a socket of the test's own, bound to `address`.
class UdpClient {
 public:
  explicit UdpClient(const std::string& address)
      : family_(address.find(':') == std::string::npos ? AF_INET : AF_INET6) {
    fd_ = FileDescriptor(socket(family_, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    SocketAddress bound;
    socklen_t length = to_socket_address(at(address, 0), family_, bound);
    EXPECT_EQ(bind(fd_.get(), &bound.any, length), 0);
    EXPECT_EQ(getsockname(fd_.get(), &bound.any, &length), 0);
    local = from_socket_address(bound);
  }
  void send(const std::string& bytes, const abi::Endpoint& to) {
    SocketAddress address;
    socklen_t length = to_socket_address(to, family_, address);
    ASSERT_EQ(sendto(fd_.get(), bytes.data(), bytes.size(), 0, &address.any, length),
              static_cast<ssize_t>(bytes.size()));
  }
  /// From now on, what is sent is cut into datagrams of `size`, which a receiver may get joined.
  void cut_into(int size) const { ASSERT_EQ(setsockopt(fd_.get(), SOL_UDP, UDP_SEGMENT, &size, sizeof size), 0); }
  /// Next datagram and, in `from`, who sent it.
  std::string receive(abi::Endpoint& from) {
    if (!testing::wait_readable(fd_.get())) return "nothing came";
    std::string bytes(4096, '\0');
    SocketAddress address{};
    socklen_t length = sizeof address;
    ssize_t got = recvfrom(fd_.get(), bytes.data(), bytes.size(), 0, &address.any, &length);
    bytes.resize(got > 0 ? static_cast<size_t>(got) : 0);
    from = from_socket_address(address);
    return bytes;
  }
  abi::Endpoint local;

 private:
  int family_;
  FileDescriptor fd_;
};

class KernelUdp : public ::testing::Test {
 protected:
  std::unique_ptr<KernelUdpPort> open(const UdpSettings& settings) {
    auto socket = open_udp_socket(settings);
    EXPECT_TRUE(socket) << (socket ? "" : socket.error());
    return socket ? std::make_unique<KernelUdpPort>(std::move(*socket), 7, pool_.get()) : nullptr;
  }
  std::unique_ptr<KernelUdpPort> open(const std::string& address) {
    UdpSettings settings;
    settings.local = at(address, 0);
    return open(settings);
  }
  /// Receives until `count` packets are there or nothing comes any more.
  std::vector<rte_mbuf*> receive(KernelUdpPort& port, size_t count) {
    std::vector<rte_mbuf*> all;
    while (all.size() < count && testing::wait_readable(port.wake_fd(), std::chrono::seconds(2))) {
      std::array<rte_mbuf*, 64> burst;
      uint16_t got = port.rx_burst(burst, tally_);
      all.insert(all.end(), burst.begin(), burst.begin() + got);
    }
    return all;
  }
  static std::string text(rte_mbuf* packet) { return {rte_pktmbuf_mtod(packet, const char*), packet->data_len}; }
  uint64_t dropped(DropReason reason) const { return tally_.drops[static_cast<size_t>(reason)]; }
  uint64_t counted(Counter counter) const { return tally_.counters[static_cast<size_t>(counter)]; }

  rte_mbuf* packet_to(const abi::Endpoint& to, const std::string& bytes) {
    rte_mbuf* packet = pool_.packet(std::span(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));
    meta(packet).remote = to;
    return packet;
  }

  testing::PacketPool pool_{255};
  abi::Tally tally_;
};

/// Sends to `server_address`, checks what the port says of the packet, answers, checks where the answer came from.
void exchange(KernelUdpPort& port, const std::string& client_address, const std::string& server_address,
              abi::Tally& tally) {
  UdpClient client(client_address);
  client.send("hello", at(server_address, port.local().port));
  ASSERT_TRUE(testing::wait_readable(port.wake_fd()));
  std::array<rte_mbuf*, 4> burst;
  ASSERT_EQ(port.rx_burst(burst, tally), 1);
  rte_mbuf* packet = burst[0];
  EXPECT_EQ(std::string(rte_pktmbuf_mtod(packet, const char*), packet->data_len), "hello");
  EXPECT_EQ(rte_pktmbuf_headroom(packet), kHeadroom);
  EXPECT_EQ(packet->pkt_len, 5u);
  EXPECT_EQ(abi::to_text(meta(packet).remote), abi::to_text(client.local));
  EXPECT_EQ(abi::to_text(meta(packet).local), abi::to_text(at(server_address, port.local().port)));
  EXPECT_EQ(meta(packet).port, 7);
  port.tx_burst({&packet, 1}, tally);
  abi::Endpoint from;
  EXPECT_EQ(client.receive(from), "hello");
  EXPECT_EQ(abi::to_text(from), abi::to_text(at(server_address, port.local().port)));
}

TEST_F(KernelUdp, RepliesLeaveFromTheAddressTheClientTalkedToIpv4) {
  auto port = open("0.0.0.0");
  exchange(*port, "127.0.0.1", "127.0.0.1", tally_);
  exchange(*port, "127.0.0.1", "127.0.0.77", tally_);
  EXPECT_EQ(counted(Counter::outer_tx_packets), 2u);
  EXPECT_EQ(counted(Counter::outer_tx_bytes), 10u);
}

TEST_F(KernelUdp, RepliesLeaveFromTheAddressTheClientTalkedToIpv6) {
  auto port = open("::1");
  exchange(*port, "::1", "::1", tally_);
}

TEST_F(KernelUdp, DualStackSocketShowsIpv4AsIpv4) {
  auto port = open("::");
  exchange(*port, "127.0.0.1", "127.0.0.77", tally_);
  exchange(*port, "::1", "::1", tally_);
}

TEST_F(KernelUdp, Ipv6OnlySocketLeavesIpv4Alone) {
  UdpSettings settings;
  settings.local = at("::", 0);
  settings.ipv6_only = true;
  auto port = open(settings);
  rte_mbuf* packet = packet_to(at("127.0.0.1", 9), "x");
  port->tx_burst({&packet, 1}, tally_);
  EXPECT_EQ(dropped(DropReason::tx_refused), 1u);
  UdpSettings ipv4;
  ipv4.local = at("127.0.0.1", port->local().port);
  EXPECT_TRUE(open_udp_socket(ipv4));
}

TEST_F(KernelUdp, BurstsInOrderBothWays) {
  auto port = open("127.0.0.1");
  UdpClient client("127.0.0.1");
  for (int i = 0; i < 150; ++i) client.send("packet " + std::to_string(i), port->local());
  std::vector<rte_mbuf*> packets = receive(*port, 150);
  ASSERT_EQ(packets.size(), 150u);
  for (size_t i = 0; i < packets.size(); ++i) EXPECT_EQ(text(packets[i]), "packet " + std::to_string(i));
  port->tx_burst(packets, tally_);
  EXPECT_EQ(counted(Counter::outer_tx_packets), 150u);
  abi::Endpoint from;
  for (int i = 0; i < 150; ++i) EXPECT_EQ(client.receive(from), "packet " + std::to_string(i));
}

TEST_F(KernelUdp, LongestPacketPassesLongerIsCountedNotCut) {
  auto port = open("127.0.0.1");
  UdpClient client("127.0.0.1");
  client.send(std::string(kMaxPacket + 1, 'l'), port->local());
  client.send(std::string(kMaxPacket, 'f'), port->local());
  client.send("", port->local());
  std::vector<rte_mbuf*> packets = receive(*port, 2);
  ASSERT_EQ(packets.size(), 2u);
  EXPECT_EQ(text(packets[0]), std::string(kMaxPacket, 'f'));
  EXPECT_EQ(packets[1]->data_len, 0);
  EXPECT_EQ(dropped(DropReason::outer_too_long), 1u);
  rte_pktmbuf_free_bulk(packets.data(), 2);
}

TEST_F(KernelUdp, LongerIsCountedNotCutAlsoWhereNothingIsJoined) {
  UdpSettings settings;
  settings.local = at("127.0.0.1", 0);
  auto socket = open_udp_socket(settings);
  ASSERT_TRUE(socket);
  socket->offloads = {};
  ASSERT_TRUE(set_option(socket->fd.get(), SOL_UDP, UDP_GRO, 0));
  KernelUdpPort port(std::move(*socket), 7, pool_.get());
  UdpClient client("127.0.0.1");
  client.send(std::string(kMaxPacket + 1, 'x'), port.local());
  client.send(std::string(kMaxPacket, 'y'), port.local());
  std::vector<rte_mbuf*> packets = receive(port, 1);
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(text(packets[0]), std::string(kMaxPacket, 'y'));
  rte_pktmbuf_free(packets[0]);
  EXPECT_EQ(dropped(DropReason::outer_too_long), 1u);
}

TEST_F(KernelUdp, EmptyPoolThrowsAwayAndRecovers) {
  auto port = open("127.0.0.1");
  UdpClient client("127.0.0.1");
  std::vector<rte_mbuf*> taken(255);
  ASSERT_EQ(rte_pktmbuf_alloc_bulk(pool_.get(), taken.data(), 255), 0);
  for (int i = 0; i < 10; ++i) client.send("lost", port->local());
  std::array<rte_mbuf*, 64> burst;
  ASSERT_TRUE(testing::wait_readable(port->wake_fd()));
  EXPECT_EQ(port->rx_burst(burst, tally_), 0);
  EXPECT_EQ(dropped(DropReason::mempool_empty), 10u);
  EXPECT_FALSE(testing::wait_readable(port->wake_fd(), std::chrono::milliseconds(0))) << "would keep the worker awake";

  rte_pktmbuf_free_bulk(taken.data(), 255);
  client.send("kept", port->local());
  std::vector<rte_mbuf*> packets = receive(*port, 1);
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(text(packets[0]), "kept");
  rte_pktmbuf_free(packets[0]);
}

TEST_F(KernelUdp, RefusedPacketsDoNotHoldUpTheirBurst) {
  auto port = open("127.0.0.1");
  UdpClient client("127.0.0.1");
  std::vector<rte_mbuf*> packets = {
      packet_to(client.local, "first"),
      packet_to(at("::1", 5), "other family"),      // this socket can't
      packet_to(at("8.8.8.8", 53), "unreachable"),  // loopback source, foreign destination: EINVAL
      packet_to(client.local, "second"),
  };
  meta(packets[3]).local = at("192.0.2.1", 0);  // no address of ours
  packets.push_back(packet_to(client.local, "third"));
  packets.push_back(packet_to(abi::Endpoint{}, "nowhere"));
  port->tx_burst(packets, tally_);
  EXPECT_EQ(dropped(DropReason::tx_refused), 4u);
  EXPECT_EQ(counted(Counter::outer_tx_packets), 2u);
  abi::Endpoint from;
  EXPECT_EQ(client.receive(from), "first");
  EXPECT_EQ(client.receive(from), "third");
}

TEST_F(KernelUdp, IcmpErrorsDoNotStopReceiving) {
  auto port = open("127.0.0.1");
  int on = 1;  // makes the kernel queue the errors on the socket, which it does not do by itself
  ASSERT_EQ(setsockopt(port->wake_fd(), IPPROTO_IP, IP_RECVERR, &on, sizeof on), 0);
  abi::Endpoint closed;
  {
    UdpClient gone("127.0.0.1");
    closed = gone.local;
  }
  UdpClient client("127.0.0.1");
  for (int i = 0; i < 3; ++i) {
    rte_mbuf* packet = packet_to(closed, "anybody there?");
    port->tx_burst({&packet, 1}, tally_);
  }
  client.send("still here", port->local());
  std::vector<rte_mbuf*> packets = receive(*port, 1);
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(text(packets[0]), "still here");
  rte_pktmbuf_free(packets[0]);
}

TEST_F(KernelUdp, FullSocketBufferIsCountedAsQueueFull) {
  testing::NetworkNamespace network;
  if (!network.why_not().empty()) GTEST_SKIP() << network.why_not();
  // An Ethernet on which nobody answers ARP: what is sent there stays in the kernel and fills the socket's buffer.
  FileDescriptor ethernet(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  if (!ethernet) GTEST_SKIP() << "no /dev/net/tun here";
  ifreq request{};
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  ASSERT_EQ(ioctl(ethernet.get(), TUNSETIFF, &request), 0);
  TunSettings tap;
  tap.addresses = {{*abi::parse_ip("10.1.0.1"), 24}};
  auto configured = configure_tun(request.ifr_name, tap);
  ASSERT_TRUE(configured) << configured.error();

  UdpSettings settings;
  settings.local = at("10.1.0.1", 0);
  settings.send_buffer = 10000;
  auto port = open(settings);
  std::vector<rte_mbuf*> packets;
  for (int i = 0; i < 100; ++i) packets.push_back(packet_to(at("10.1.0.2", 9), std::string(1000, 'x')));
  port->tx_burst(packets, tally_);
  EXPECT_GT(counted(Counter::outer_tx_packets), 0u);
  EXPECT_GT(dropped(DropReason::tx_queue_full), 0u);
  EXPECT_EQ(counted(Counter::outer_tx_packets) + dropped(DropReason::tx_queue_full), 100u);
}

/// What `port` sends for `lengths` to a port at `address`, as that one receives it.
class KernelUdpRuns : public KernelUdp {
 protected:
  std::vector<std::string> relay(KernelUdpPort& from, KernelUdpPort& to, const std::vector<size_t>& lengths) {
    std::vector<rte_mbuf*> packets;
    for (size_t i = 0; i < lengths.size(); ++i) {
      sent_.push_back(std::string(lengths[i], static_cast<char>('a' + i % 26)));
      packets.push_back(packet_to(at("127.0.0.1", to.local().port), sent_.back()));
    }
    from.tx_burst(packets, tally_);
    std::vector<std::string> texts;
    for (rte_mbuf* packet : receive(to, lengths.size())) {
      EXPECT_EQ(rte_pktmbuf_headroom(packet), kHeadroom);
      EXPECT_EQ(meta(packet).remote.port, from.local().port);
      texts.push_back(text(packet));
      rte_pktmbuf_free(packet);
    }
    return texts;
  }
  std::vector<std::string> sent_;
};

TEST_F(KernelUdpRuns, ArriveAsTheDatagramsThatTheyWere) {
  auto from = open("127.0.0.1");
  auto to = open("127.0.0.1");
  ASSERT_TRUE(from && to);
  std::vector<size_t> lengths(44, 1400);
  lengths.insert(lengths.end(), {700, 1400, 1400, 20, 20, 20, 5, 2048, 2048, 1});
  EXPECT_EQ(relay(*from, *to, lengths), sent_);
  EXPECT_EQ(counted(Counter::outer_tx_packets), lengths.size());
}

TEST_F(KernelUdpRuns, WhatTheKernelJoinedAndABurstHasNoRoomForComesWithTheNext) {
  auto from = open("127.0.0.1");
  auto to = open("127.0.0.1");
  ASSERT_TRUE(from && to);
  std::vector<rte_mbuf*> packets;
  for (int i = 0; i < 60; ++i) packets.push_back(packet_to(at("127.0.0.1", to->local().port), std::string(500, 'x')));
  from->tx_burst(packets, tally_);
  ASSERT_TRUE(testing::wait_readable(to->wake_fd()));
  size_t taken = 0;
  std::array<rte_mbuf*, 7> burst;
  EXPECT_FALSE(to->holds_packets()) << "the kernel still has them";
  while (uint16_t count = to->rx_burst(burst, tally_)) {
    for (rte_mbuf* packet : std::span(burst).first(count)) EXPECT_EQ(packet->data_len, 500);
    rte_pktmbuf_free_bulk(burst.data(), count);
    taken += count;
    if (taken == 7) {
      EXPECT_TRUE(to->holds_packets());
    }
  }
  EXPECT_EQ(taken, 60u);
  EXPECT_FALSE(to->holds_packets());
}

TEST_F(KernelUdpRuns, WhatTheKernelJoinedAndDoesNotFitBehindOthersComesAsAWhole) {
  auto to = open("127.0.0.1");
  UdpClient client("127.0.0.1");
  client.send("alone", to->local());
  client.cut_into(500);
  client.send(std::string(8 * 500, 'x'), to->local());
  ASSERT_TRUE(testing::wait_readable(to->wake_fd()));
  std::array<rte_mbuf*, 8> burst;
  ASSERT_EQ(to->rx_burst(burst, tally_), 1);
  rte_pktmbuf_free(burst[0]);
  ASSERT_EQ(to->rx_burst(burst, tally_), 8);
  rte_pktmbuf_free_bulk(burst.data(), 8);
}

TEST_F(KernelUdpRuns, JoinedOnesThatNoBufferHoldsAreEachCounted) {
  auto to = open("127.0.0.1");
  UdpClient client("127.0.0.1");
  client.cut_into(kMaxPacket + 1);
  client.send(std::string(3 * (kMaxPacket + 1), 'x'), to->local());
  client.cut_into(0);
  for (const std::string wanted : {"short", "and another one, for which the buffers are filled again"}) {
    client.send(wanted, to->local());
    std::vector<rte_mbuf*> packets = receive(*to, 1);
    ASSERT_EQ(packets.size(), 1u);
    EXPECT_EQ(text(packets[0]), wanted);
    rte_pktmbuf_free(packets[0]);
  }
  EXPECT_EQ(dropped(DropReason::outer_too_long), 3u);
}

TEST_F(KernelUdpRuns, ThrownAwayForWantOfBuffersEachDatagramIsCounted) {
  auto from = open("127.0.0.1");
  auto to = open("127.0.0.1");
  ASSERT_TRUE(from && to);
  std::vector<rte_mbuf*> packets;
  for (int i = 0; i < 60; ++i) packets.push_back(packet_to(at("127.0.0.1", to->local().port), std::string(500, 'x')));
  packets.push_back(packet_to(at("127.0.0.1", to->local().port), std::string(20, 'x')));  // the run's end
  packets.push_back(packet_to(at("127.0.0.1", to->local().port), std::string(600, 'x')));
  from->tx_burst(packets, tally_);
  std::vector<rte_mbuf*> taken;
  while (rte_mbuf* packet = rte_pktmbuf_alloc(pool_.get())) taken.push_back(packet);
  uint64_t thrown_away = 0;
  std::array<rte_mbuf*, 64> burst;
  EXPECT_TRUE(testing::wait_until([&] {
    EXPECT_EQ(to->rx_burst(burst, tally_), 0);
    thrown_away = tally_.drops[static_cast<size_t>(abi::DropReason::mempool_empty)];
    return thrown_away >= 62;
  }));
  EXPECT_EQ(thrown_away, 62u);
  rte_pktmbuf_free_bulk(taken.data(), static_cast<unsigned>(taken.size()));
}

TEST_F(KernelUdpRuns, AreSentPacketByPacketWhereTheKernelDoesNotCutThem) {
  testing::NetworkNamespace network;
  if (!network.why_not().empty()) GTEST_SKIP() << network.why_not();
  // A path whose MTU is smaller than the packets: the kernel refuses to cut into pieces that it would have to fragment.
  FileDescriptor any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq loopback{};
  std::strcpy(loopback.ifr_name, "lo");
  loopback.ifr_mtu = 1280;
  ASSERT_EQ(ioctl(any.get(), SIOCSIFMTU, &loopback), 0);
  auto from = open("127.0.0.1");
  auto to = open("127.0.0.1");
  ASSERT_TRUE(from && to);
  EXPECT_EQ(relay(*from, *to, std::vector<size_t>(10, 1400)), sent_);
  EXPECT_EQ(counted(Counter::outer_tx_packets), 10u);
  EXPECT_EQ(dropped(DropReason::tx_refused), 0u);
}

TEST_F(KernelUdpRuns, AreSentPacketByPacketWhereTheSocketMayNotCutThem) {
  auto from = open("127.0.0.1");
  auto to = open("127.0.0.1");
  ASSERT_TRUE(from && to);
  // Without checksums the kernel does not cut: EINVAL (net/ipv4/udp.c, udp_send_skb).
  ASSERT_TRUE(set_option(from->wake_fd(), SOL_SOCKET, SO_NO_CHECK, 1));
  EXPECT_EQ(relay(*from, *to, std::vector<size_t>(10, 1000)), sent_);
  EXPECT_EQ(counted(Counter::outer_tx_packets), 10u);
  EXPECT_EQ(dropped(DropReason::tx_refused), 0u);
}

TEST_F(KernelUdpRuns, WithoutOffloadsEachDatagramGoesAlone) {
  UdpSettings settings;
  settings.local = at("127.0.0.1", 0);
  auto plain = [&] {
    auto socket = open_udp_socket(settings);
    EXPECT_TRUE(socket);
    EXPECT_TRUE(set_option(socket->fd.get(), SOL_UDP, UDP_GRO, 0));
    socket->offloads = {};
    return std::make_unique<KernelUdpPort>(*std::move(socket), 7, pool_.get());
  };
  auto from = plain();
  auto to = plain();
  EXPECT_EQ(relay(*from, *to, std::vector<size_t>(30, 1000)), sent_);
}

}  // namespace
}  // namespace culvert::drivers
