// What waits while no dataplane has a port to say it through.
#include "control/gateway/held_packets.h"

#include <gtest/gtest.h>

#include "tests/unit/io/support.h"
#include "tests/unit/support/endpoint.h"

namespace culvert::gateway {
namespace {

abi::PacketMessage packet(uint16_t number, abi::Transport transport = abi::Transport::kTcp) {
  abi::PacketMessage made{};
  made.remote = testing::endpoint("198.51.100.7", 4000, transport);
  made.remote.stream = 77;
  made.length = number;  // tells them apart
  return made;
}

class Holding : public ::testing::Test {
 protected:
  Holding() {
    for (uint32_t worker = 0; worker < 2; ++worker)
      lanes_.push_back(std::make_unique<io::WorkerLane>(worker, map(next_), io::Fd(dup(next_.bells[2 * worker].get())),
                                                        io::Fd(dup(next_.bells[2 * worker + 1].get()))));
  }
  static std::shared_ptr<io::LinkMapping> map(io::FakeLink& link) {
    auto mapping = io::LinkMapping::map(io::Fd(dup(link.memfd.get())));
    EXPECT_TRUE(mapping) << mapping.error();
    return *mapping;
  }
  /// The lengths of what the next dataplane's worker is to send.
  std::vector<uint16_t> sent_by(uint32_t worker) {
    std::vector<uint16_t> all;
    abi::Consumer ring(next_.view.worker(worker).control_out);
    abi::PacketMessage message{};
    while (ring.pop(message) == abi::RingStatus::kOk) all.push_back(message.length);
    return all;
  }

  io::FakeLink ended_{2, 16};
  io::FakeLink next_{2, 16, 2};
  std::vector<std::unique_ptr<io::WorkerLane>> lanes_;
  HeldPackets held_;
};

TEST_F(Holding, ComesBehindWhatTheRingsStillHad) {
  EXPECT_TRUE(held_.hold(0, packet(3)));
  EXPECT_TRUE(held_.hold(1, packet(4)));
  abi::Producer first(ended_.view.worker(0).control_out);
  abi::Producer second(ended_.view.worker(1).control_out);
  for (uint16_t number : {1, 2}) first.push(packet(number));
  second.push(packet(5));
  first.push(packet(100, abi::Transport::kUdp));
  first.push(packet(0));  // of no length
  held_.take_unsent(*map(ended_));
  EXPECT_EQ(held_.count(), 5u);
  EXPECT_EQ(held_.release(lanes_), 0u);
  EXPECT_EQ(sent_by(0), (std::vector<uint16_t>{1, 2, 3}));
  EXPECT_EQ(sent_by(1), (std::vector<uint16_t>{5, 4}));
  EXPECT_EQ(held_.count(), 0u);
}

TEST_F(Holding, IsForTcpAndBounded) {
  EXPECT_FALSE(held_.hold(0, packet(1, abi::Transport::kUdp))) << "whose engines repeat";
  for (size_t i = 0; i < HeldPackets::kMost; ++i) ASSERT_TRUE(held_.hold(5, packet(1)));
  EXPECT_FALSE(held_.hold(0, packet(1)));
  EXPECT_EQ(held_.release(lanes_), HeldPackets::kMost - abi::PacketRing::kCapacity) << "what the ring has no room for";
  EXPECT_EQ(sent_by(1).size(), abi::PacketRing::kCapacity) << "of worker 5, where there are two";
}

TEST_F(Holding, ADeadNeighboursRingIsNotTrusted) {
  ended_.view.worker(0).control_out.tail = abi::PacketRing::kCapacity + 1;
  held_.take_unsent(*map(ended_));
  EXPECT_EQ(held_.count(), 0u);
}

}  // namespace
}  // namespace culvert::gateway
