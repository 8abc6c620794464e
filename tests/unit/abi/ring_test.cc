// The ring's contract on one thread: order, edges, takeover by a new process, and a neighbour that writes nonsense.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "dataplane/abi/spsc_ring.h"

namespace culvert::abi {
namespace {

struct Message {
  uint64_t number;
  std::array<uint8_t, 56> secret;
};

constexpr uint64_t kSize = 8;
using Ring = SpscRing<Message, kSize>;

Message message(uint64_t number) {
  Message made{};
  made.number = number;
  made.secret.fill(0xA5);
  return made;
}

class RingTest : public ::testing::Test {
 protected:
  void fill(uint64_t first, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) ASSERT_EQ(producer_.push(message(first + i)), RingStatus::kOk);
  }
  void expect_next(uint64_t number) {
    Message got{};
    ASSERT_EQ(consumer_.pop(got), RingStatus::kOk);
    EXPECT_EQ(got.number, number);
  }

  std::unique_ptr<Ring> ring_ = std::make_unique<Ring>();
  Producer<Message, kSize> producer_{*ring_};
  Consumer<Message, kSize> consumer_{*ring_};
  Message out_{};
};

TEST_F(RingTest, EmptyRingGivesNothing) {
  EXPECT_TRUE(consumer_.empty());
  EXPECT_EQ(consumer_.pop(out_), RingStatus::kEmpty);
  EXPECT_EQ(producer_.free(), kSize);
  EXPECT_EQ(consumer_.consumed(), 0u);
}

TEST_F(RingTest, FullRingTakesNothingAndLosesNothing) {
  fill(100, kSize);
  EXPECT_EQ(producer_.free(), 0u);
  EXPECT_EQ(producer_.push(message(999)), RingStatus::kFull);
  EXPECT_EQ(producer_.published(), kSize);
  for (uint64_t i = 0; i < kSize; ++i) expect_next(100 + i);
  EXPECT_EQ(consumer_.pop(out_), RingStatus::kEmpty);
}

TEST_F(RingTest, OneFreedSlotIsOneMoreMessage) {
  fill(0, kSize);
  expect_next(0);
  EXPECT_EQ(producer_.push(message(kSize)), RingStatus::kOk);
  EXPECT_EQ(producer_.push(message(kSize + 1)), RingStatus::kFull);
}

TEST_F(RingTest, KeepsOrderOverManyTurns) {
  uint64_t sent = 0;
  uint64_t got = 0;
  // Bursts of 1..kSize, so that the wrap falls on every position within a burst.
  for (uint64_t turn = 0; turn < 1000; ++turn) {
    uint64_t burst = turn % kSize + 1;
    fill(sent, burst);
    sent += burst;
    for (; got < sent; ++got) expect_next(got);
  }
  EXPECT_EQ(producer_.published(), sent);
  EXPECT_EQ(consumer_.consumed(), sent);
}

TEST_F(RingTest, IndicesMayWrapAround) {
  ring_->tail = UINT64_MAX - 2;
  ring_->head = UINT64_MAX - 2;
  producer_ = Producer<Message, kSize>(*ring_);
  consumer_ = Consumer<Message, kSize>(*ring_);
  fill(0, kSize);
  EXPECT_EQ(producer_.push(message(8)), RingStatus::kFull);
  for (uint64_t i = 0; i < kSize; ++i) expect_next(i);
  EXPECT_EQ(consumer_.pop(out_), RingStatus::kEmpty);
}

TEST_F(RingTest, WipeLeavesNoSecretBehind) {
  fill(1, 1);
  ASSERT_EQ(consumer_.pop(out_, true), RingStatus::kOk);
  EXPECT_EQ(out_.secret[0], 0xA5);
  std::array<uint8_t, sizeof(Message)> slot;
  std::memcpy(slot.data(), &ring_->slots[0], sizeof slot);
  EXPECT_TRUE(std::all_of(slot.begin(), slot.end(), [](uint8_t byte) { return byte == 0; }));
}

// A hostile producer: its index says more than the ring holds, or runs backwards.
TEST_F(RingTest, ConsumerRefusesImpossibleTail) {
  fill(0, 3);
  expect_next(0);
  for (uint64_t bad : {kSize + 2, kSize * 2, uint64_t{0}, UINT64_MAX, uint64_t{1} << 63}) {
    ring_->tail = bad;
    EXPECT_EQ(consumer_.pop(out_), RingStatus::kCorrupt) << "tail " << bad;
    EXPECT_EQ(ring_->head.load(), 1u) << "a corrupt ring must not move";
  }
  ring_->tail = 3;
  expect_next(1);
  expect_next(2);
}

// A hostile consumer: its index is ahead of what was published, or runs backwards.
TEST_F(RingTest, ProducerRefusesImpossibleHead) {
  fill(0, kSize);
  for (uint64_t bad : {kSize + 1, UINT64_MAX, uint64_t{1} << 63}) {
    ring_->head = bad;
    EXPECT_EQ(producer_.push(message(9)), RingStatus::kCorrupt) << "head " << bad;
    EXPECT_EQ(producer_.free(), 0u) << "head " << bad;
    EXPECT_EQ(ring_->tail.load(), kSize) << "a corrupt ring must not move";
  }
  ring_->head = 1;
  EXPECT_EQ(producer_.push(message(8)), RingStatus::kOk);
}

TEST_F(RingTest, NewConsumerGoesOnWhereTheOldOneDied) {
  fill(0, 5);
  expect_next(0);
  expect_next(1);
  consumer_ = Consumer<Message, kSize>(*ring_);
  EXPECT_EQ(consumer_.consumed(), 2u);
  for (uint64_t i = 2; i < 5; ++i) expect_next(i);
  EXPECT_EQ(consumer_.pop(out_), RingStatus::kEmpty);
}

TEST_F(RingTest, NewProducerGoesOnWhereTheOldOneDied) {
  fill(0, 5);
  // The old one died while it filled slot 5: never published, so never seen.
  ring_->slots[5] = message(666);
  producer_ = Producer<Message, kSize>(*ring_);
  EXPECT_EQ(producer_.published(), 5u);
  fill(5, 3);
  EXPECT_EQ(producer_.push(message(8)), RingStatus::kFull);
  for (uint64_t i = 0; i < kSize; ++i) expect_next(i);
}

TEST_F(RingTest, SleeperIsWokenOnce) {
  EXPECT_FALSE(producer_.must_wake());
  ASSERT_TRUE(consumer_.prepare_to_sleep());
  fill(0, 1);
  EXPECT_TRUE(producer_.must_wake());
  EXPECT_FALSE(producer_.must_wake()) << "one doorbell per sleep is enough";
}

TEST_F(RingTest, NobodySleepsOnAMessage) {
  fill(0, 1);
  EXPECT_FALSE(consumer_.prepare_to_sleep());
  EXPECT_FALSE(producer_.must_wake()) << "the announcement was withdrawn";
}

TEST_F(RingTest, AwakeTakesTheAnnouncementBack) {
  ASSERT_TRUE(consumer_.prepare_to_sleep());
  consumer_.awake();
  fill(0, 1);
  EXPECT_FALSE(producer_.must_wake());
}

}  // namespace
}  // namespace culvert::abi
