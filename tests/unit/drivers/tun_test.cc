// The TUN port against the kernel, in a network namespace of the test's own.
#include "drivers/tun.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <ifaddrs.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>

#include "dataplane/abi/endpoint_text.h"
#include "tests/unit/support/delete_interface.h"
#include "tests/unit/support/eal.h"
#include "tests/unit/support/network_namespace.h"
#include "tests/unit/support/wait.h"

namespace culvert::drivers {
namespace {

using abi::Counter;
using abi::DropReason;

TunSettings settings_for(const std::string& name) {
  TunSettings settings;
  settings.name = name;
  settings.mtu = 1400;
  settings.tx_queue_length = 321;
  settings.addresses = {{*abi::parse_ip("10.8.0.1"), 24}, {*abi::parse_ip("fd00:8::1"), 112}};
  return settings;
}

/// All addresses of an interface, as text.
std::set<std::string> addresses_of(const std::string& name) {
  std::set<std::string> found;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return found;
  for (ifaddrs* one = list; one; one = one->ifa_next) {
    if (name != one->ifa_name || !one->ifa_addr) continue;
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (one->ifa_addr->sa_family == AF_INET)
      inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in*>(one->ifa_addr)->sin_addr, text.data(), text.size());
    else if (one->ifa_addr->sa_family == AF_INET6)
      inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6*>(one->ifa_addr)->sin6_addr, text.data(), text.size());
    else
      continue;
    found.insert(text.data());
  }
  freeifaddrs(list);
  return found;
}

/// One integer of an interface: SIOCGIFMTU, SIOCGIFTXQLEN.
int ask_interface(const std::string& name, unsigned long what) {
  FileDescriptor any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  return ioctl(any.get(), what, &request) == 0 ? request.ifr_mtu : -1;
}

class Tun : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!network_.why_not().empty()) GTEST_SKIP() << network_.why_not();
    if (access("/dev/net/tun", F_OK) != 0) GTEST_SKIP() << "no /dev/net/tun here";
  }
  std::unique_ptr<TunPort> open(const TunSettings& settings) {
    auto device = make_tun(settings);
    EXPECT_TRUE(device) << (device ? "" : device.error());
    return device ? std::make_unique<TunPort>(std::move(*device), pool_.get()) : nullptr;
  }
  std::string error(const TunSettings& settings) {
    auto device = make_tun(settings);
    return device ? "made" : device.error();
  }
  /// Takes what the kernel sends by itself, until it is quiet.
  void settle(TunPort& port) {
    while (testing::wait_readable(port.wake_fd(), std::chrono::milliseconds(20))) {
      std::array<rte_mbuf*, 64> burst;
      uint16_t count = port.rx_burst(burst, tally_);
      rte_pktmbuf_free_bulk(burst.data(), count);
    }
  }
  uint64_t dropped(DropReason reason) const { return tally_.drops[static_cast<size_t>(reason)]; }
  uint64_t counted(Counter counter) const { return tally_.counters[static_cast<size_t>(counter)]; }

  testing::NetworkNamespace network_;
  testing::PacketPool pool_{255};
  abi::Tally tally_;
};

TEST_F(Tun, ComesUpAsAskedAndGoesWithItsPort) {
  {
    auto port = open(settings_for("cvt%d"));
    ASSERT_TRUE(port);
    EXPECT_EQ(port->name(), "tun cvt0");
    EXPECT_EQ(ask_interface("cvt0", SIOCGIFMTU), 1400);
    EXPECT_EQ(ask_interface("cvt0", SIOCGIFTXQLEN), 321);
    EXPECT_EQ(addresses_of("cvt0"), (std::set<std::string>{"10.8.0.1", "fd00:8::1"})) << "and no link-local one";
  }
  EXPECT_EQ(if_nametoindex("cvt0"), 0u);
}

TEST_F(Tun, TakesAndGivesPackets) {
  auto port = open(settings_for("cvt0"));
  ASSERT_TRUE(port);
  settle(*port);
  // A UDP socket behind the tunnel address, an outside peer 10.8.0.2 played by the test.
  FileDescriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(4000);
  inet_pton(AF_INET, "10.8.0.2", &peer.sin_addr);
  for (int i = 0; i < 3; ++i)
    ASSERT_EQ(sendto(socket.get(), "ping", 4, 0, reinterpret_cast<sockaddr*>(&peer), sizeof peer), 4);
  ASSERT_TRUE(testing::wait_readable(port->wake_fd()));
  std::array<rte_mbuf*, 64> burst;
  ASSERT_EQ(port->rx_burst(burst, tally_), 3);
  rte_mbuf* packet = burst[0];
  ASSERT_EQ(packet->data_len, 32);
  EXPECT_EQ(rte_pktmbuf_headroom(packet), kHeadroom);
  auto* bytes = rte_pktmbuf_mtod(packet, uint8_t*);
  EXPECT_EQ(bytes[0], 0x45);

  // Back with source and destination swapped: the checksums stay right.
  std::swap_ranges(bytes + 12, bytes + 16, bytes + 16);
  std::swap_ranges(bytes + 20, bytes + 22, bytes + 22);
  bytes[8] = 64;
  port->tx_burst({burst.data(), 1}, tally_);
  EXPECT_EQ(counted(Counter::inner_tx_packets), 1u);
  EXPECT_EQ(counted(Counter::inner_tx_bytes), 32u);
  ASSERT_TRUE(testing::wait_readable(socket.get()));
  std::array<char, 16> text{};
  EXPECT_EQ(recv(socket.get(), text.data(), text.size(), 0), 4);
  EXPECT_STREQ(text.data(), "ping");
  rte_pktmbuf_free_bulk(&burst[1], 2);
}

TEST_F(Tun, WhatIsNoIpPacketIsRefused) {
  auto port = open(settings_for("cvt0"));
  ASSERT_TRUE(port);
  std::array<uint8_t, 40> garbage{0xF0};
  std::array<rte_mbuf*, 2> packets{pool_.packet(garbage), pool_.packet({})};
  port->tx_burst(packets, tally_);
  EXPECT_EQ(dropped(DropReason::tx_refused), 2u);
  EXPECT_FALSE(port->is_gone());
}

TEST_F(Tun, EmptyPoolThrowsAway) {
  auto port = open(settings_for("cvt0"));
  ASSERT_TRUE(port);
  settle(*port);
  std::vector<rte_mbuf*> taken(255);
  ASSERT_EQ(rte_pktmbuf_alloc_bulk(pool_.get(), taken.data(), 255), 0);
  FileDescriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(4000);
  inet_pton(AF_INET, "10.8.0.2", &peer.sin_addr);
  for (int i = 0; i < 5; ++i) sendto(socket.get(), "x", 1, 0, reinterpret_cast<sockaddr*>(&peer), sizeof peer);
  ASSERT_TRUE(testing::wait_readable(port->wake_fd()));
  std::array<rte_mbuf*, 64> burst;
  EXPECT_EQ(port->rx_burst(burst, tally_), 0);
  EXPECT_EQ(dropped(DropReason::mempool_empty), 5u);
  EXPECT_FALSE(testing::wait_readable(port->wake_fd(), std::chrono::milliseconds(0)));
  // Ten in one, where the kernel leaves cutting them to the device.
  int segment = 100;
  ASSERT_EQ(setsockopt(socket.get(), SOL_UDP, UDP_SEGMENT, &segment, sizeof segment), 0);
  const std::string ten(1000, 'x');
  sendto(socket.get(), ten.data(), ten.size(), 0, reinterpret_cast<sockaddr*>(&peer), sizeof peer);
  ASSERT_TRUE(testing::wait_readable(port->wake_fd()));
  EXPECT_EQ(port->rx_burst(burst, tally_), 0);
  EXPECT_EQ(dropped(DropReason::mempool_empty), 15u);
  rte_pktmbuf_free_bulk(taken.data(), 255);
}

TEST_F(Tun, DeletedDeviceIsNoticedAndCounted) {
  for (bool by_reading : {true, false}) {
    auto port = open(settings_for("cvt0"));
    ASSERT_TRUE(port);
    settle(*port);
    testing::delete_interface("cvt0");
    std::array<uint8_t, 40> packet_bytes{0x45};
    std::array<rte_mbuf*, 64> burst;
    if (by_reading) {
      EXPECT_TRUE(testing::wait_readable(port->wake_fd())) << "a sleeping worker must wake for it";
      EXPECT_EQ(port->rx_burst(burst, tally_), 0);
      EXPECT_TRUE(port->is_gone());
    }
    uint64_t before = dropped(DropReason::tx_port_down);
    std::array<rte_mbuf*, 2> packets{pool_.packet(packet_bytes), pool_.packet(packet_bytes)};
    port->tx_burst(packets, tally_);
    EXPECT_TRUE(port->is_gone());
    EXPECT_EQ(dropped(DropReason::tx_port_down), before + 2);
    EXPECT_EQ(port->rx_burst(burst, tally_), 0);
  }
}

TEST_F(Tun, ConfiguringAgainChangesWhatDiffers) {
  TunSettings settings = settings_for("cvt0");
  auto port = open(settings);
  ASSERT_TRUE(port);
  settings.mtu = 1500;
  settings.addresses = {{*abi::parse_ip("10.9.0.1"), 24}, {*abi::parse_ip("10.10.0.1"), 24}};
  auto changed = configure_tun("cvt0", settings);
  ASSERT_TRUE(changed) << changed.error();
  EXPECT_EQ(ask_interface("cvt0", SIOCGIFMTU), 1500);
  EXPECT_EQ(addresses_of("cvt0"), (std::set<std::string>{"10.9.0.1", "10.10.0.1"}));
  EXPECT_TRUE(configure_tun("cvt0", settings)) << "the same again changes nothing";
}

/// Routes into the interface as the kernel lists them (/proc/net/route: hexadecimal, low byte first).
std::set<std::string> routes_into(const std::string& name) {
  std::set<std::string> found;
  std::ifstream file("/proc/thread-self/net/route");
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream fields(line);
    std::string interface, destination, gateway, flags, references, use, metric, mask;
    fields >> interface >> destination >> gateway >> flags >> references >> use >> metric >> mask;
    if (interface == name) found.insert(destination + "/" + mask + " via " + gateway + " metric " + metric);
  }
  return found;
}

TEST_F(Tun, RoutesAreExactlyThoseAskedFor) {
  TunSettings settings = settings_for("cvtroute");
  settings.addresses = {{*abi::parse_ip("10.8.0.1"), 32}, {*abi::parse_ip("fd00:8::1"), 112}};
  settings.routes = {
      {.network = *abi::parse_ip("10.8.0.0"), .prefix = 24},
      {.network = *abi::parse_ip("192.168.7.0"), .prefix = 24, .gateway = *abi::parse_ip("10.8.0.2"), .metric = 77},
      {.network = *abi::parse_ip("fd77::"), .prefix = 64}};
  auto port = open(settings);
  ASSERT_TRUE(port);
  std::set<std::string> both = {"0000080A/00FFFFFF via 00000000 metric 0", "0007A8C0/00FFFFFF via 0200080A metric 77"};
  EXPECT_EQ(routes_into("cvtroute"), both);
  EXPECT_TRUE(configure_tun("cvtroute", settings)) << "again: they are there already";
  EXPECT_EQ(routes_into("cvtroute"), both);
  settings.routes.erase(settings.routes.begin() + 1);
  ASSERT_TRUE(configure_tun("cvtroute", settings));
  EXPECT_EQ(routes_into("cvtroute"), std::set<std::string>{"0000080A/00FFFFFF via 00000000 metric 0"});
  settings.routes.push_back(
      {.network = *abi::parse_ip("10.8.0.0"), .prefix = 24, .gateway = *abi::parse_ip("10.8.0.3")});
  Status twice = configure_tun("cvtroute", settings);
  EXPECT_FALSE(twice);
  EXPECT_NE(twice.error().find("the route to 10.8.0.0/24 exists already"), std::string::npos) << twice.error();
}

TEST_F(Tun, ErrorsSayWhatIsWrong) {
  auto port = open(settings_for("cvt0"));
  ASSERT_TRUE(port);
  auto has = [](const std::string& text, const char* part) { return text.find(part) != std::string::npos; };
  EXPECT_TRUE(has(error(settings_for("cvt0")), "tun cvt0: the name is taken: another program"))
      << error(settings_for("cvt0"));
  EXPECT_TRUE(has(error(settings_for("lo")), "taken by another kind of interface")) << error(settings_for("lo"));
  EXPECT_TRUE(has(error(settings_for("sixteen-letters-")), "longer than 15"));
  EXPECT_TRUE(has(error(settings_for("a/b")), "can't have"));
  EXPECT_TRUE(has(error(settings_for("%s")), "%d"));
  TunSettings settings = settings_for("cvt1");
  settings.mtu = 1279;
  EXPECT_TRUE(has(error(settings), "MTU 1279 is not between 1280 (with an IPv6 address) and 9000")) << error(settings);
  settings.mtu = kMaxTunMtu + 1;
  EXPECT_TRUE(has(error(settings), "MTU 9001"));
  settings = settings_for("cvt1");
  settings.addresses[0].prefix = 33;
  EXPECT_TRUE(has(error(settings), "prefix length of 1 to 32"));
  EXPECT_EQ(if_nametoindex("cvt1"), 0u) << "nothing is left of an attempt";
}

/// A TCP stream from a socket of the kernel through the port and back into another one, with the addresses exchanged on
/// the way: 10.8.0.1 talks to 10.8.0.2, which is itself as seen from behind the tunnel.
class TunStream : public Tun {
 protected:
  /// Puts the packet's source in place of its destination and the other way round: all checksums stay right.
  static void reflect(rte_mbuf* packet) {
    auto* bytes = rte_pktmbuf_mtod(packet, uint8_t*);
    std::swap_ranges(bytes + 12, bytes + 16, bytes + 16);
  }
  /// Carries what waits from the port back into it.
  void pump(TunPort& port) {
    std::array<rte_mbuf*, 64> burst;
    while (uint16_t count = port.rx_burst(burst, tally_)) {
      for (rte_mbuf* packet : std::span(burst).first(count)) {
        EXPECT_LE(packet->data_len, 1400) << "no packet is longer than the MTU";
        longest_ = std::max(longest_, packet->data_len);
        reflect(packet);
      }
      most_at_once_ = std::max(most_at_once_, count);
      port.tx_burst(std::span(burst).first(count), tally_);
    }
  }
  void carries_a_stream(TunPort& port) {
    settle(port);
    FileDescriptor listener(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    FileDescriptor client(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    inet_pton(AF_INET, "10.8.0.1", &address.sin_addr);
    ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(listen(listener.get(), 1), 0);
    socklen_t length = sizeof address;
    ASSERT_EQ(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
    inet_pton(AF_INET, "10.8.0.2", &address.sin_addr);
    connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);

    std::string sent(3'000'000, 0);
    for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 7 + i / 251);
    std::string got;
    FileDescriptor server;
    size_t written = 0;
    bool done = testing::wait_until(
        [&] {
          pump(port);
          if (!server) server = FileDescriptor(accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
          if (!server) return false;
          ssize_t wrote = write(client.get(), sent.data() + written, sent.size() - written);
          if (wrote > 0) written += static_cast<size_t>(wrote);
          std::array<char, 65536> bytes;
          for (ssize_t n; (n = read(server.get(), bytes.data(), bytes.size())) > 0;)
            got.append(bytes.data(), static_cast<size_t>(n));
          return got.size() >= sent.size();
        },
        std::chrono::seconds(20));
    EXPECT_TRUE(done) << got.size() << " bytes came of " << written;
    EXPECT_TRUE(got == sent);
    EXPECT_EQ(longest_, 1400);
  }
  /// A queue of a device that is configured as others are, but made without what older kernels don't have.
  std::unique_ptr<TunPort> open_older(const TunSettings& settings, offload::TunOffloads offloads) {
    FileDescriptor queue(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
    ifreq request{};
    settings.name.copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_flags = static_cast<short>(IFF_TUN | IFF_NO_PI | (offloads.vnet_header ? IFF_VNET_HDR : 0));
    EXPECT_EQ(ioctl(queue.get(), TUNSETIFF, &request), 0);
    if (offloads.tcp) {
      EXPECT_EQ(ioctl(queue.get(), TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6), 0);
    }
    EXPECT_TRUE(configure_tun(settings.name, settings));
    return std::make_unique<TunPort>(TunDevice{std::move(queue), settings.name, offloads, nullptr}, pool_.get());
  }
  static TunSettings stream_settings() {
    TunSettings settings = settings_for("cvt0");
    settings.tx_queue_length = 1000;
    return settings;
  }

  uint16_t longest_ = 0;
  uint16_t most_at_once_ = 0;
};

TEST_F(TunStream, SuperPacketsOfTcpArriveByteForByte) {
  auto port = open(stream_settings());
  ASSERT_TRUE(port);
  carries_a_stream(*port);
  EXPECT_GT(most_at_once_, 10) << "the kernel handed out super-packets";
}

TEST_F(TunStream, ArrivesWithoutUdpOffloads) {  // Linux before 6.2
  auto port = open_older(stream_settings(), {.vnet_header = true, .tcp = true, .udp = false});
  carries_a_stream(*port);
  EXPECT_GT(most_at_once_, 10) << "the kernel handed out super-packets";
}

TEST_F(TunStream, ArrivesWithoutOffloads) {
  auto port = open_older(stream_settings(), {.vnet_header = true, .tcp = false, .udp = false});
  carries_a_stream(*port);
}

TEST_F(TunStream, ArrivesWithoutVnetHeader) {
  auto port = open_older(stream_settings(), {});
  carries_a_stream(*port);
}

}  // namespace
}  // namespace culvert::drivers
