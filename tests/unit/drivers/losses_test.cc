// What the kernel loses in front of a port is counted: every packet that was sent is received or counted.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <memory>
#include <string>

#include "dataplane/abi/endpoint_text.h"
#include "drivers/kernel_udp.h"
#include "drivers/tun.h"
#include "drivers/wrapping_count.h"
#include "tests/unit/support/eal.h"
#include "tests/unit/support/interface_statistics.h"
#include "tests/unit/support/network_namespace.h"
#include "tests/unit/support/wait.h"

namespace culvert::drivers {
namespace {

using abi::DropReason;

TEST(WrappingCount, GoesOnBehindTheLastNumber) {
  WrappingCount count;
  EXPECT_EQ(count.growth(0), 0u);
  EXPECT_EQ(count.growth(5), 5u);
  EXPECT_EQ(count.growth(5), 0u);
  EXPECT_EQ(count.growth(UINT32_MAX - 1), UINT32_MAX - 6);
  EXPECT_EQ(count.growth(UINT32_MAX), 1u);
  EXPECT_EQ(count.growth(0), 1u);
  EXPECT_EQ(count.growth(UINT32_MAX), UINT32_MAX);
  EXPECT_EQ(count.growth(2), 3u);
}

class Losses : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!network_.why_not().empty()) GTEST_SKIP() << network_.why_not();
  }

  void send(const abi::Endpoint& to, int count, int size) {
    SocketAddress address;
    socklen_t length = to_socket_address(to, AF_INET, address);
    const std::string bytes(static_cast<size_t>(size), 'x');
    for (int i = 0; i < count; ++i)
      ASSERT_EQ(sendto(sender_.get(), bytes.data(), bytes.size(), 0, &address.any, length), size);
  }
  static abi::Endpoint at(const std::string& address, uint16_t port) {
    abi::Endpoint endpoint;
    endpoint.address = *abi::parse_ip(address);
    endpoint.port = port;
    return endpoint;
  }
  /// Takes all that waits. Returns how many of the packets were sent by send().
  uint64_t receive_all(Port& port) {
    uint64_t packets = 0;
    while (testing::wait_readable(port.wake_fd(), std::chrono::milliseconds(0))) {
      std::array<rte_mbuf*, 64> burst;
      uint16_t count = port.rx_burst(burst, tally_);
      // A TUN also gets IPv6 packets that the kernel sends by itself.
      packets += static_cast<uint64_t>(std::count_if(burst.begin(), burst.begin() + count, [&](rte_mbuf* packet) {
        return port.side() == Side::kOuter || *rte_pktmbuf_mtod(packet, uint8_t*) == 0x45;
      }));
      rte_pktmbuf_free_bulk(burst.data(), count);
    }
    return packets;
  }
  uint64_t dropped(DropReason reason) const { return tally_.drops[static_cast<size_t>(reason)]; }

  testing::NetworkNamespace network_;
  testing::PacketPool pool_{255};
  FileDescriptor sender_{socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  abi::Tally tally_;
};

class UdpLosses : public Losses {
 protected:
  std::unique_ptr<KernelUdpPort> open() {
    UdpSettings settings;
    settings.local = at("127.0.0.1", 0);
    settings.receive_buffer = 20'000;
    auto socket = open_udp_socket(settings);
    EXPECT_TRUE(socket) << (socket ? "" : socket.error());
    return socket ? std::make_unique<KernelUdpPort>(std::move(*socket), 0, pool_.get()) : nullptr;
  }
};

TEST_F(UdpLosses, EveryDatagramIsReceivedOrCounted) {
  auto port = open();
  ASSERT_TRUE(port);
  uint64_t received = 0;
  for (uint64_t sent = 200; sent <= 600; sent += 200) {
    send(port->local(), 200, 500);
    received += receive_all(*port);
    uint64_t before = dropped(DropReason::udp_rx_missed);
    port->count_losses(tally_);
    EXPECT_GT(dropped(DropReason::udp_rx_missed), before);
    EXPECT_EQ(received + dropped(DropReason::udp_rx_missed), sent);
  }
  uint64_t lost = dropped(DropReason::udp_rx_missed);
  port->count_losses(tally_);
  EXPECT_EQ(dropped(DropReason::udp_rx_missed), lost) << "nothing is counted twice";
}

TEST_F(UdpLosses, WhatFitsIsNotCounted) {
  auto port = open();
  ASSERT_TRUE(port);
  send(port->local(), 5, 500);
  port->count_losses(tally_);
  EXPECT_EQ(receive_all(*port), 5u);
  port->count_losses(tally_);
  EXPECT_EQ(dropped(DropReason::udp_rx_missed), 0u);
}

TEST_F(UdpLosses, EachSocketHasItsOwn) {
  auto port = open(), other = open();
  ASSERT_TRUE(port && other);
  send(port->local(), 200, 500);
  other->count_losses(tally_);
  EXPECT_EQ(dropped(DropReason::udp_rx_missed), 0u);
  port->count_losses(tally_);
  EXPECT_GT(dropped(DropReason::udp_rx_missed), 0u);
}

TEST_F(UdpLosses, OfASocketThatAnotherProcessHadTheyBeginAnew) {
  auto port = open();
  ASSERT_TRUE(port);
  FileDescriptor copy(fcntl(port->wake_fd(), F_DUPFD_CLOEXEC, 3));
  UdpSettings settings;
  settings.local = port->local();
  send(settings.local, 200, 500);
  receive_all(*port);
  port.reset();
  auto socket = adopt_udp_socket(settings, std::move(copy));
  ASSERT_TRUE(socket) << socket.error();
  KernelUdpPort next(std::move(*socket), 0, pool_.get());
  next.count_losses(tally_);
  EXPECT_EQ(dropped(DropReason::udp_rx_missed), 0u) << "the one before has counted them";
  send(settings.local, 200, 500);
  const uint64_t received = receive_all(next);
  next.count_losses(tally_);
  EXPECT_EQ(received + dropped(DropReason::udp_rx_missed), 200u);
}

class TunLossesTest : public Losses {
 protected:
  static constexpr uint32_t kQueueLength = 20;

  void SetUp() override {
    Losses::SetUp();
    if (access("/dev/net/tun", F_OK) != 0) GTEST_SKIP() << "no /dev/net/tun here";
  }
  /// Ports on `queues` queues of one device.
  void open(size_t queues) {
    TunSettings settings;
    settings.name = "cvt0";
    settings.tx_queue_length = kQueueLength;
    settings.addresses = {{*abi::parse_ip("10.8.0.1"), 24}};
    auto devices = make_tun_queues(settings, queues);
    ASSERT_TRUE(devices) << devices.error();
    losses_ = devices->front().losses;
    for (TunDevice& device : *devices) {
      EXPECT_EQ(device.losses != nullptr, ports_.empty()) << "the first queue's port counts for all";
      ports_.push_back(std::make_unique<TunPort>(std::move(device), pool_.get()));
    }
  }
  uint64_t receive_all() {
    uint64_t packets = 0;
    for (auto& port : ports_) packets += Losses::receive_all(*port);
    return packets;
  }
  void count() {
    losses_->look();
    for (auto& port : ports_) port->count_losses(tally_);
  }
  uint64_t counted() const { return dropped(DropReason::tun_rx_missed); }
  const abi::Endpoint client_ = at("10.8.0.2", 4000);

  std::shared_ptr<TunLosses> losses_;
  std::vector<std::unique_ptr<TunPort>> ports_;
};

TEST_F(TunLossesTest, EveryPacketIsReceivedOrCounted) {
  for (size_t queues : {1, 3}) {
    ASSERT_NO_FATAL_FAILURE(open(queues));
    uint64_t sent = 0, received = 0;
    const uint64_t before = counted();
    for (int round = 0; round < 3; ++round) {
      sent += 100;
      send(client_, 100, 500);
      received += receive_all();
      count();
      EXPECT_EQ(counted() - before, testing::tx_dropped("cvt0"));
      EXPECT_GE(received + counted() - before, sent) << queues << " queues";
      EXPECT_GE(counted() - before, sent - static_cast<uint64_t>(round + 1) * queues * kQueueLength);
    }
    uint64_t lost = counted();
    count();
    EXPECT_EQ(counted(), lost) << "nothing is counted twice";
    ports_.clear();
  }
}

TEST_F(TunLossesTest, WhatWasLostBeforeUsIsNotOurs) {
  ASSERT_NO_FATAL_FAILURE(open(1));
  // The device stays when we are gone, as one of `ip tuntap add`.
  ASSERT_EQ(ioctl(ports_[0]->wake_fd(), TUNSETPERSIST, 1), 0);
  send(client_, 100, 500);
  ports_.clear();
  ASSERT_NO_FATAL_FAILURE(open(1));
  const uint64_t before = testing::tx_dropped("cvt0");
  EXPECT_GE(before, 100 - kQueueLength);
  count();
  EXPECT_EQ(counted(), 0u);
  ASSERT_EQ(ioctl(ports_[0]->wake_fd(), TUNSETPERSIST, 0), 0);
  send(client_, 100, 500);
  uint64_t received = receive_all();
  count();
  EXPECT_EQ(counted(), testing::tx_dropped("cvt0") - before);
  EXPECT_GE(received + counted(), 100u);
}

TEST_F(TunLossesTest, ADeletedDeviceTakesNothingBack) {
  ASSERT_NO_FATAL_FAILURE(open(1));
  send(client_, 100, 500);
  losses_->look();
  std::shared_ptr<TunLosses> losses = losses_;
  ports_.clear();
  ASSERT_EQ(if_nametoindex("cvt0"), 0u);
  losses->look();
  EXPECT_GE(losses->take(), 100 - kQueueLength);
  EXPECT_EQ(losses->take(), 0u);
}

TEST_F(TunLossesTest, AnInterfaceThatDoesNotExistIsAnError) {
  auto watched = TunLosses::watch("no-such-tun");
  ASSERT_FALSE(watched);
  EXPECT_EQ(watched.error(), "the kernel does not tell its statistics");
}

}  // namespace
}  // namespace culvert::drivers
