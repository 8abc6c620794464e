// Packets that one worker hands to another.
#include "dataplane/steps/handoff.h"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/unit/support/eal.h"

namespace culvert::steps {
namespace {

using abi::Counter;
using abi::DropReason;

class HandoffTest : public ::testing::Test {
 protected:
  HandoffTest() {
    rings_ = std::make_unique<HandoffRings>(3);
    for (uint32_t worker = 0; worker < 3; ++worker)
      ends_.push_back(std::make_unique<Handoff>(rings_.get(), worker, tallies_[worker]));
  }

  uint64_t count(uint32_t worker, Counter counter) { return tallies_[worker].counters[static_cast<size_t>(counter)]; }
  rte_mbuf* packet(uint16_t number) {
    std::array<uint8_t, 2> bytes{static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number)};
    return pool_.packet(bytes);
  }
  /// Numbers of the packets that `worker` takes in one call, which frees them.
  std::vector<uint16_t> take(uint32_t worker, size_t most = 64) {
    std::vector<rte_mbuf*> packets(most);
    packets.resize(ends_[worker]->receive(packets));
    std::vector<uint16_t> numbers;
    for (rte_mbuf* each : packets) {
      const auto* bytes = rte_pktmbuf_mtod(each, const uint8_t*);
      numbers.push_back(static_cast<uint16_t>(bytes[0] << 8 | bytes[1]));
      rte_pktmbuf_free(each);
    }
    return numbers;
  }

  testing::PacketPool pool_{8191};
  std::array<abi::Tally, 3> tallies_;
  std::unique_ptr<HandoffRings> rings_;
  std::vector<std::unique_ptr<Handoff>> ends_;
};

TEST_F(HandoffTest, KeepsTheOrderOfEachWriterAndTakesThemInTurn) {
  for (uint16_t i = 0; i < 150; ++i) ends_[0]->stage(2, packet(i));
  for (uint16_t i = 0; i < 10; ++i) ends_[1]->stage(2, packet(static_cast<uint16_t>(1000 + i)));
  EXPECT_EQ(take(2).size(), 64u * 2 - 64) << "64 are handed over as soon as they are staged, the rest waits for flush";
  ends_[0]->flush();
  ends_[1]->flush();

  std::vector<uint16_t> of_first, of_second;
  for (auto numbers = take(2, 32); !numbers.empty(); numbers = take(2, 32))
    for (uint16_t number : numbers) (number < 1000 ? of_first : of_second).push_back(number);
  std::vector<uint16_t> expected(86);
  std::iota(expected.begin(), expected.end(), uint16_t{64});
  EXPECT_EQ(of_first, expected);
  expected.resize(10);
  std::iota(expected.begin(), expected.end(), uint16_t{1000});
  EXPECT_EQ(of_second, expected);
  EXPECT_EQ(count(0, Counter::handed_over_packets), 150u);
  EXPECT_EQ(count(2, Counter::taken_over_packets), 160u);
  EXPECT_TRUE(take(0).empty());
  EXPECT_TRUE(take(1).empty());
}

TEST_F(HandoffTest, AFullRingDropsAndCounts) {
  constexpr uint32_t room = HandoffRings::kRoom;
  for (uint32_t i = 0; i < room + 100; ++i) ends_[0]->stage(1, packet(static_cast<uint16_t>(i)));
  ends_[0]->flush();
  EXPECT_EQ(tallies_[0].drops[static_cast<size_t>(DropReason::handoff_full)], 100u);
  EXPECT_EQ(count(0, Counter::handed_over_packets), room);
  EXPECT_EQ(pool_.in_use(), room);
  uint32_t next = 0;
  for (auto numbers = take(1); !numbers.empty(); numbers = take(1))
    for (uint16_t number : numbers) EXPECT_EQ(number, next++) << "the oldest stay";
  EXPECT_EQ(next, room);
  ends_[0]->stage(1, packet(7));
  ends_[0]->flush();
  EXPECT_EQ(take(1), std::vector<uint16_t>{7});
}

TEST_F(HandoffTest, WakesOnlyWhoSaidThatItSleeps) {
  ends_[0]->stage(1, packet(1));
  EXPECT_EQ(ends_[0]->flush(), 0u) << "awake";
  EXPECT_FALSE(ends_[1]->prepare_to_sleep()) << "there is something to do";
  EXPECT_EQ(take(1).size(), 1u);

  EXPECT_TRUE(ends_[1]->prepare_to_sleep());
  EXPECT_TRUE(ends_[2]->prepare_to_sleep());
  ends_[0]->stage(1, packet(2));
  EXPECT_EQ(ends_[0]->flush(), uint64_t{1} << 1);
  ends_[0]->stage(1, packet(3));
  EXPECT_EQ(ends_[0]->flush(), 0u) << "once is enough";
  ends_[1]->awake();
  EXPECT_EQ(take(1).size(), 2u);

  ends_[2]->awake();
  ends_[0]->stage(2, packet(4));
  EXPECT_EQ(ends_[0]->flush(), 0u) << "it woke up for another reason";
}

TEST_F(HandoffTest, WhatNobodyTookIsFreedAtTheEnd) {
  for (uint16_t i = 0; i < 70; ++i) ends_[0]->stage(1, packet(i));
  EXPECT_EQ(pool_.in_use(), 70u);
  ends_.clear();
  rings_.reset();
  EXPECT_EQ(pool_.in_use(), 0u);
}

TEST_F(HandoffTest, AloneThereIsNothingToDo) {
  Handoff alone(nullptr, 0, tallies_[0]);
  EXPECT_TRUE(alone.is_alone());
  EXPECT_TRUE(alone.prepare_to_sleep());
  alone.awake();
}

}  // namespace
}  // namespace culvert::steps
