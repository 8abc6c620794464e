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
  void stage(uint32_t from, uint32_t to, uint16_t number, Handed as = Handed::kInner) {
    ends_[from]->stage(to, packet(number), as);
  }
  /// Numbers of the packets that `worker` takes in one call, which frees them: those of one kind.
  std::vector<uint16_t> take(uint32_t worker) {
    TakenPackets packets;
    ends_[worker]->receive(packets);
    EXPECT_TRUE(packets.outer().empty());
    return numbers_of(packets.inner());
  }
  static std::vector<uint16_t> numbers_of(std::span<rte_mbuf* const> packets) {
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
  for (uint16_t i = 0; i < 250; ++i) stage(0, 2, i);
  for (uint16_t i = 0; i < 10; ++i) stage(1, 2, static_cast<uint16_t>(1000 + i));
  EXPECT_EQ(take(2).size(), TakenPackets::kMost) << "not more in one call";
  EXPECT_EQ(take(2).size() + take(2).size() + take(2).size(), 64u * 3 - TakenPackets::kMost)
      << "64 are handed over as soon as they are staged, the rest waits for flush";
  ends_[0]->flush();
  ends_[1]->flush();

  std::vector<uint16_t> of_first, of_second;
  for (auto numbers = take(2); !numbers.empty(); numbers = take(2))
    for (uint16_t number : numbers) (number < 1000 ? of_first : of_second).push_back(number);
  std::vector<uint16_t> expected(250 - 3 * 64);
  std::iota(expected.begin(), expected.end(), uint16_t{3 * 64});
  EXPECT_EQ(of_first, expected);
  expected.resize(10);
  std::iota(expected.begin(), expected.end(), uint16_t{1000});
  EXPECT_EQ(of_second, expected);
  EXPECT_EQ(count(0, Counter::handed_over_packets), 250u);
  EXPECT_EQ(count(2, Counter::taken_over_packets), 260u);
  EXPECT_TRUE(take(0).empty());
  EXPECT_TRUE(take(1).empty());
}

TEST_F(HandoffTest, EachKindKeepsItsOrder) {
  for (uint16_t i = 0; i < 60; ++i) stage(0, 1, i, i % 3 == 0 ? Handed::kOuter : Handed::kInner);
  ends_[0]->flush();
  TakenPackets packets;
  ends_[1]->receive(packets);
  std::vector<uint16_t> outer, inner;
  for (uint16_t i = 0; i < 60; ++i) (i % 3 == 0 ? outer : inner).push_back(i);
  EXPECT_EQ(numbers_of(packets.outer()), outer);
  EXPECT_EQ(numbers_of(packets.inner()), inner);
}

TEST_F(HandoffTest, AFullRingDropsAndCounts) {
  constexpr uint32_t room = HandoffRings::kRoom;
  for (uint32_t i = 0; i < room + 100; ++i) stage(0, 1, static_cast<uint16_t>(i));
  ends_[0]->flush();
  EXPECT_EQ(tallies_[0].drops[static_cast<size_t>(DropReason::handoff_full)], 100u);
  EXPECT_EQ(count(0, Counter::handed_over_packets), room);
  EXPECT_EQ(pool_.in_use(), room);
  uint32_t next = 0;
  for (auto numbers = take(1); !numbers.empty(); numbers = take(1))
    for (uint16_t number : numbers) EXPECT_EQ(number, next++) << "the oldest stay";
  EXPECT_EQ(next, room);
  stage(0, 1, 7);
  ends_[0]->flush();
  EXPECT_EQ(take(1), std::vector<uint16_t>{7});
}

TEST_F(HandoffTest, WhoDoesNotSleepAfterAllIsWokenByNobody) {
  stage(1, 2, 1);
  ends_[1]->flush();
  EXPECT_FALSE(ends_[2]->prepare_to_sleep());
  stage(0, 2, 2);
  EXPECT_EQ(ends_[0]->flush(), 0u);
  EXPECT_EQ(take(2).size(), 2u);
}

TEST_F(HandoffTest, WakesOnlyWhoSaidThatItSleeps) {
  stage(0, 1, 1);
  EXPECT_EQ(ends_[0]->flush(), 0u) << "awake";
  EXPECT_FALSE(ends_[1]->prepare_to_sleep()) << "there is something to do";
  EXPECT_EQ(take(1).size(), 1u);

  EXPECT_TRUE(ends_[1]->prepare_to_sleep());
  EXPECT_TRUE(ends_[2]->prepare_to_sleep());
  stage(0, 1, 2);
  EXPECT_EQ(ends_[0]->flush(), uint64_t{1} << 1);
  stage(0, 1, 3);
  EXPECT_EQ(ends_[0]->flush(), 0u) << "once is enough";
  ends_[1]->awake();
  EXPECT_EQ(take(1).size(), 2u);

  ends_[2]->awake();
  stage(0, 2, 4);
  EXPECT_EQ(ends_[0]->flush(), 0u) << "it woke up for another reason";
}

TEST_F(HandoffTest, WhatNobodyTookIsFreedAtTheEnd) {
  for (uint16_t i = 0; i < 70; ++i) stage(0, 1, i);
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
