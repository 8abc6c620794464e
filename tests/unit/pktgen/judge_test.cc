// Each fault that a gateway could commit, committed by hand: the judge must see it.
#include "perf/pktgen/judge.h"

#include <gtest/gtest.h>

#include "dataplane/wire/checksum.h"

namespace culvert::pktgen {
namespace {

constexpr uint32_t kClients = 3;
constexpr uint32_t kTrial = 5;
constexpr uint16_t kSize = 120;

class JudgeTest : public ::testing::Test {
 protected:
  JudgeTest() : judge_(kClients, 2.0) {
    for (uint8_t client = 0; client < kClients; ++client)
      packets_.emplace_back(Ip4{10, 8, 0, client}, Ip4{10, 77, 0, 2}, 4);
    judge_.begin(kTrial);
  }
  /// As sent.
  std::vector<uint8_t> packet(Way way, uint32_t client, uint64_t sent_tsc = 1000, uint32_t trial = kTrial) {
    std::vector<uint8_t> bytes(kSize);
    Stamp stamp{magic_of(way), trial, client, judge_.next_number(client, way), sent_tsc, 0};
    packets_[client].write(bytes.data(), kSize, way, stamp);
    ++counts(way).sent;
    return bytes;
  }
  void receive(std::span<const uint8_t> bytes, Way way, uint32_t client = 0, uint64_t now_tsc = 3000) {
    judge_.judge(bytes, way, client, now_tsc, [&](uint32_t each) -> const InnerPackets& { return packets_[each]; });
  }
  /// As a router leaves it.
  static void take_hop(std::vector<uint8_t>& bytes) {
    auto& ip = *reinterpret_cast<wire::Ipv4Header*>(bytes.data());
    --ip.ttl;
    ip.checksum.set(0);
    ip.checksum.set(wire::finish_checksum(wire::add_to_checksum({bytes.data(), sizeof ip})));
  }
  WayCounts& counts(Way way) { return judge_.counts().of(way); }

  std::vector<InnerPackets> packets_;
  Judge judge_;
};

TEST_F(JudgeTest, GoodPacketsCountOnceWithTheirLatency) {
  for (Way way : {Way::kIn, Way::kOut}) {
    for (uint32_t client = 0; client < kClients; ++client) {
      auto bytes = packet(way, client);
      take_hop(bytes);
      receive(bytes, way, client);
    }
    EXPECT_EQ(counts(way).received, kClients);
    EXPECT_EQ(counts(way).lost(), 0u);
    EXPECT_EQ(counts(way).damaged + counts(way).doubled + counts(way).reordered, 0u);
    EXPECT_EQ(counts(way).bytes, kClients * kSize);
  }
  EXPECT_EQ(judge_.counts().latency.min(), 1000u);  // 2,000 cycles at 2 per ns
  EXPECT_EQ(judge_.counts().latency.max(), 1000u);
}

TEST_F(JudgeTest, WhatDoesNotComeIsLost) {
  packet(Way::kIn, 0);
  receive(packet(Way::kIn, 0), Way::kIn);
  counts(Way::kIn).refused = 2;
  EXPECT_EQ(counts(Way::kIn).lost(), 3u);
  EXPECT_DOUBLE_EQ(counts(Way::kIn).loss(), 0.75);
}

TEST_F(JudgeTest, ASecondCopyIsDoubledAndNoSubstituteForALostOne) {
  packet(Way::kIn, 1);
  auto bytes = packet(Way::kIn, 1);
  receive(bytes, Way::kIn);
  receive(bytes, Way::kIn);
  EXPECT_EQ(counts(Way::kIn).doubled, 1u);
  EXPECT_EQ(counts(Way::kIn).received, 1u);
  EXPECT_EQ(counts(Way::kIn).lost(), 1u);
}

TEST_F(JudgeTest, OrderIsKeptPerClientAndWay) {
  auto first = packet(Way::kIn, 0), second = packet(Way::kIn, 0), other = packet(Way::kIn, 1);
  receive(second, Way::kIn);
  receive(other, Way::kIn);
  receive(first, Way::kIn);
  EXPECT_EQ(counts(Way::kIn).reordered, 1u);
  EXPECT_EQ(counts(Way::kIn).lost(), 0u);
  EXPECT_EQ(counts(Way::kOut).reordered, 0u);
}

TEST_F(JudgeTest, EveryFlippedBitIsDamage) {
  for (size_t bit = 0; bit < kSize * 8; ++bit) {
    judge_.begin(kTrial);
    auto bytes = packet(Way::kOut, 0);
    bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    receive(bytes, Way::kOut, 0);
    EXPECT_EQ(counts(Way::kOut).received, 0u) << "bit " << bit;
    EXPECT_EQ(counts(Way::kOut).damaged + judge_.counts().foreign, 1u) << "bit " << bit;
  }
}

TEST_F(JudgeTest, WrongLengthIsDamage) {
  auto bytes = packet(Way::kIn, 0);
  receive(std::span(bytes).first(kSize - 1), Way::kIn);
  bytes.push_back(0);
  receive(bytes, Way::kIn);
  receive(std::span(bytes).first(40), Way::kIn);
  EXPECT_EQ(counts(Way::kIn).damaged, 3u);
}

TEST_F(JudgeTest, AnotherClientsPacketIsDamage) {
  receive(packet(Way::kOut, 1), Way::kOut, 2);
  EXPECT_EQ(counts(Way::kOut).damaged, 1u);
  EXPECT_EQ(counts(Way::kOut).received, 0u);
}

TEST_F(JudgeTest, APacketOfTheOtherWayIsNoneOfThisOne) {
  receive(packet(Way::kOut, 1), Way::kIn);
  EXPECT_EQ(counts(Way::kIn).received, 0u);
  EXPECT_EQ(counts(Way::kIn).damaged, 1u);
}

TEST_F(JudgeTest, LeftoversOfAnEarlierTrialDoNotCount) {
  receive(packet(Way::kIn, 0, 1000, kTrial - 1), Way::kIn);
  EXPECT_EQ(judge_.counts().leftovers, 1u);
  EXPECT_EQ(counts(Way::kIn).received, 0u);
  EXPECT_EQ(counts(Way::kIn).damaged, 0u);
}

TEST_F(JudgeTest, ForeignPacketsAreNeitherOursNorDamage) {
  std::vector<uint8_t> ping(84, 0);
  ping[0] = 0x45;
  ping[9] = wire::kProtocolIcmp;
  receive(ping, Way::kIn);
  receive({}, Way::kIn);
  EXPECT_EQ(judge_.counts().foreign, 2u);
  EXPECT_EQ(counts(Way::kIn).damaged, 0u);
}

}  // namespace
}  // namespace culvert::pktgen
