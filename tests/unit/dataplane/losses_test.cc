// What the kernel lost in front of the ports: how often the worker counts it, and who asks for a TUN's.
#include <gtest/gtest.h>

#include <thread>

#include "drivers/socket_address.h"
#include "tests/unit/dataplane/stepped_gateway.h"
#include "tests/unit/support/interface_statistics.h"

namespace culvert::dataplane {
namespace {

using abi::Counter;
using abi::DropReason;

constexpr uint64_t kCountEvery = Worker::kCountLossesEvery;

/// A port that has nothing, and in front of which packets are lost.
class LossyPort final : public drivers::Port {
 public:
  uint16_t rx_burst(std::span<rte_mbuf*>, abi::Tally&) override { return 0; }
  void tx_burst(std::span<rte_mbuf*> packets, abi::Tally&) override {
    for (rte_mbuf* packet : packets) rte_pktmbuf_free(packet);
  }
  int wake_fd() const override { return -1; }
  void count_losses(abi::Tally& tally) override {
    ++asked;
    tally.drop(DropReason::udp_rx_missed, lost.exchange(0));
  }
  drivers::Side side() const override { return drivers::Side::kOuter; }
  std::string name() const override { return "lossy"; }

  std::atomic<uint64_t> lost{0};
  std::atomic<uint32_t> asked{0};
};

class WorkerLosses : public ::testing::Test {
 protected:
  void SetUp() override {
    rig_.table.outer[3] = port_;
    rig_.mailbox.post(&rig_.table);
    rig_.pass();
  }
  void TearDown() override {
    rig_.path->set_outer_port(3, nullptr);
    rig_.path->set_inner_port(nullptr);
  }
  uint64_t published() const { return rig_.area.counters.read().drops[static_cast<size_t>(DropReason::udp_rx_missed)]; }

  testing::WorkerRig rig_;
  std::shared_ptr<LossyPort> port_ = std::make_shared<LossyPort>();
};

TEST_F(WorkerLosses, AreCountedOnceASecondUnderLoad) {
  uint32_t before = port_->asked;
  port_->lost = 5;
  for (uint64_t from_ns = rig_.now; rig_.now < from_ns + 3 * kCountEvery; rig_.now += 1'000'000) rig_.pass();
  EXPECT_GE(port_->asked - before, 2u);
  EXPECT_LE(port_->asked - before, 3u);
  EXPECT_EQ(published(), 5u);
}

TEST_F(WorkerLosses, ArePublishedAtOnce) {
  port_->lost = 5;
  rig_.now += kCountEvery;
  rig_.pass();
  EXPECT_EQ(published(), 5u);
}

TEST_F(WorkerLosses, AreCountedBeforeAPortIsTakenAway) {
  port_->lost = 7;
  PortTable next;
  rig_.mailbox.post(&next);
  rig_.pass();
  EXPECT_EQ(rig_.drops(DropReason::udp_rx_missed), 7u);
}

TEST_F(WorkerLosses, AreCountedWhenTheWorkerEnds) {
  std::thread thread([this] { rig_.worker->run(); });
  EXPECT_TRUE(testing::wait_until([this] { return rig_.area.heartbeat_ns.load() != rig_.now; }));
  port_->lost = 9;
  rig_.worker->stop();
  thread.join();
  EXPECT_EQ(published(), 9u);
}

TEST_F(WorkerLosses, WakeTheMainThreadOnlyWhenPacketsHaveCome) {
  rig_.attach_ports();
  PortTable table = rig_.table;  // the mailbox knows the other one already
  rig_.mailbox.post(&table);
  rig_.pass();
  ASSERT_TRUE(testing::wait_readable(rig_.main_bell.get(), std::chrono::milliseconds(0))) << "adopted";
  auto rung = [this] {
    uint64_t rings = 0;
    return read(rig_.main_bell.get(), &rings, sizeof rings) > 0;
  };
  rung();
  for (int second = 0; second < 5; ++second) {
    rig_.now += kCountEvery;
    rig_.pass();
    EXPECT_FALSE(rung()) << "nothing came, so nothing was lost";
  }
  rig_.tun.inject(rig_.pool.packet(testing::ipv4_packet("192.0.2.1", "10.8.0.2")));
  rig_.pass();
  EXPECT_FALSE(rung()) << "not for each packet";
  rig_.now += kCountEvery;
  rig_.pass();
  EXPECT_TRUE(rung());
  rig_.now += kCountEvery;
  rig_.pass();
  EXPECT_FALSE(rung());
  PortTable none;
  rig_.mailbox.post(&none);
  rig_.pass();
}

class TunInFront : public testing::SteppedGateway {
 protected:
  static constexpr uint32_t kQueueLength = 20;

  void open_tun(const char* name) {
    abi::OpenTun request = tun(name);
    request.tx_queue_length = kQueueLength;
    SteppedGateway::open_tun(request);
  }
  /// More than the queue takes, while the worker does not run.
  void overflow() {
    drivers::SocketAddress client;
    socklen_t length = drivers::to_socket_address(testing::endpoint("10.8.0.2", 4000), AF_INET, client);
    drivers::FileDescriptor sender(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    for (int i = 0; i < 100; ++i) ASSERT_EQ(sendto(sender.get(), "x", 1, 0, &client.any, length), 1);
  }
  uint64_t counted() { return rig_.drops(DropReason::tun_rx_missed); }
};

TEST_F(TunInFront, WhatItsQueueHadNoRoomForIsCounted) {
  open_tun("cvt0");
  for (int round = 0; round < 2; ++round) {
    overflow();
    for (int second = 0; second < 3; ++second) {
      rig_.now += kCountEvery;
      for (int passes = 0; passes < 3; ++passes) rig_.pass();
      gateway_.look_after(rig_.now);
    }
    EXPECT_EQ(counted(), testing::tx_dropped("cvt0"));
    EXPECT_GE(counted(), static_cast<uint64_t>(round + 1) * (100 - kQueueLength));
  }
}

TEST_F(TunInFront, WhatItLostIsCountedBeforeAnotherTakesItsPlace) {
  open_tun("cvt0");
  overflow();
  const uint64_t lost = testing::tx_dropped("cvt0");
  EXPECT_GE(lost, 100 - kQueueLength);
  open_tun("cvt1");
  EXPECT_EQ(testing::tx_dropped("cvt0"), 0u) << "it is gone";
  EXPECT_GE(counted(), lost);
}

}  // namespace
}  // namespace culvert::dataplane
