#include "control/openvpn/reliable.h"

#include <gtest/gtest.h>

namespace culvert::openvpn {
namespace {

using namespace std::chrono_literals;
using wire::Opcode;

constexpr MonoTime kFirstSend{100s};

using Ids = std::vector<uint32_t>;
Ids ids(const AckList& list) {
  return {list.view().begin(), list.view().end()};
}

TEST(AckQueue, NamesWaitingOnesFirstThenRecentOnes) {
  AckQueue queue;
  EXPECT_FALSE(queue.pending());
  EXPECT_EQ(ids(queue.take(kMaxAcks)), Ids{});
  for (uint32_t id : {0u, 1u, 1u, 2u}) queue.add(id);
  EXPECT_EQ(ids(queue.take(2)), (Ids{0, 1}));
  EXPECT_TRUE(queue.pending());
  EXPECT_EQ(ids(queue.take(4)), (Ids{2, 0, 1}));
  EXPECT_FALSE(queue.pending());
  EXPECT_EQ(ids(queue.take(4)), (Ids{2, 0, 1})) << "repeated in case the last packet was lost";
}

TEST(AckQueue, HoldsEightAndRemembersEight) {
  AckQueue queue;
  for (uint32_t id = 0; id < 9; ++id) queue.add(id);
  EXPECT_EQ(ids(queue.take(kMaxAcks)), (Ids{0, 1, 2, 3, 4, 5, 6, 7})) << "the ninth is left to a retransmission";
  EXPECT_FALSE(queue.pending());
  queue.add(8);
  EXPECT_EQ(ids(queue.take(kMaxAcks)), (Ids{8, 0, 1, 2, 3, 4, 5, 6}));
}

TEST(SendQueue, TakesSixUnacknowledged) {
  SendQueue queue(2s);
  for (size_t left = kSendWindow; left > 0; --left) {
    EXPECT_EQ(queue.room(), left);
    queue.push(Opcode::kControl, {}, kFirstSend);
  }
  EXPECT_EQ(queue.room(), 0u);
  while (queue.due(kFirstSend)) {
  }
  // Acknowledging any but the oldest gives no room: the peer's window hangs on the oldest.
  EXPECT_EQ(queue.acknowledge(3), AckOutcome::kDelivered);
  EXPECT_EQ(queue.room(), 0u);
  EXPECT_EQ(queue.acknowledge(0), AckOutcome::kDelivered);
  EXPECT_EQ(queue.room(), 1u);
  EXPECT_EQ(queue.acknowledge(0), AckOutcome::kAlready);
  EXPECT_EQ(queue.acknowledge(6), AckOutcome::kNeverSent);
  EXPECT_EQ(queue.acknowledge(UINT32_MAX), AckOutcome::kAlready) << "before 0, so acknowledged long ago";
}

TEST(SendQueue, WhatHasNotBeenSentIsNotAcknowledged) {
  SendQueue queue(2s);
  queue.push(Opcode::kControl, {1}, kFirstSend);
  EXPECT_EQ(queue.acknowledge(0), AckOutcome::kNeverSent);
  ASSERT_TRUE(queue.due(kFirstSend));
  EXPECT_EQ(queue.acknowledge(0), AckOutcome::kDelivered);
}

TEST(SendQueue, RetransmitsWithDoublingTimeout) {
  SendQueue queue(2s);
  queue.push(Opcode::kControl, {1}, kFirstSend);
  MonoTime now = kFirstSend;
  for (auto wait : {2s, 4s, 8s, 16s, 32s}) {
    ASSERT_TRUE(queue.due(now));
    EXPECT_FALSE(queue.due(now));
    EXPECT_EQ(queue.next_deadline(), now + wait);
    EXPECT_FALSE(queue.due(now + wait - 1ns));
    now += wait;
  }
}

TEST(SendQueue, ResendsEarlyAfterThreeLaterAcknowledgements) {
  SendQueue queue(2s);
  for (int i = 0; i < 5; ++i) queue.push(Opcode::kControl, {}, kFirstSend);
  while (queue.due(kFirstSend)) {
  }
  for (uint32_t id : {1u, 2u, 2u, 2u}) queue.acknowledge(id);
  EXPECT_FALSE(queue.due(kFirstSend + 1ms)) << "repeats of one acknowledgement say nothing new";
  queue.acknowledge(3);
  Outgoing* early = queue.due(kFirstSend + 1ms);
  ASSERT_TRUE(early);
  EXPECT_EQ(early->id, 0u);
  EXPECT_FALSE(queue.due(kFirstSend + 1ms));
}

TEST(SendQueue, KnowsWhichAcknowledgementsEveryTransmissionCarried) {
  SendQueue queue(2s);
  queue.push(Opcode::kControl, {}, kFirstSend);
  SendQueue::carried(*queue.due(kFirstSend), {{0, 1}, 2});
  SendQueue::carried(*queue.due(kFirstSend + 2s), {{1, 2}, 2});
  Outgoing delivered;
  EXPECT_EQ(queue.acknowledge(0, &delivered), AckOutcome::kDelivered);
  EXPECT_EQ(ids(delivered.carried), Ids{1}) << "the peer may have got either transmission";
}

TEST(SendQueue, IdsWrap) {
  SendQueue queue(2s, UINT32_MAX - 1);
  for (int i = 0; i < 4; ++i) queue.push(Opcode::kControl, {}, kFirstSend);
  while (queue.due(kFirstSend)) {
  }
  EXPECT_EQ(queue.next_id(), 2u);
  EXPECT_EQ(queue.acknowledge(2), AckOutcome::kNeverSent);
  for (uint32_t id : {1u, 0u, UINT32_MAX, UINT32_MAX - 1}) EXPECT_EQ(queue.acknowledge(id), AckOutcome::kDelivered);
  EXPECT_TRUE(queue.empty());
}

class ReceiveWindow : public ::testing::TestWithParam<uint32_t> {};

TEST_P(ReceiveWindow, Edges) {
  const uint32_t first = GetParam();
  ReceiveQueue queue(first);
  EXPECT_EQ(queue.judge(first - 1), Arrival::kReplay);
  EXPECT_EQ(queue.judge(first), Arrival::kNew);
  EXPECT_EQ(queue.judge(first + kReceiveWindow - 1), Arrival::kNew);
  EXPECT_EQ(queue.judge(first + kReceiveWindow), Arrival::kOutsideWindow);
  EXPECT_EQ(queue.judge(first + 0x7fffffff), Arrival::kOutsideWindow);
  EXPECT_EQ(queue.judge(first + 0x80000000), Arrival::kReplay);
}

TEST_P(ReceiveWindow, DeliversInOrderOnce) {
  const uint32_t first = GetParam();
  ReceiveQueue queue(first);
  for (size_t i = kReceiveWindow; i-- > 0;) {  // the whole window, backwards
    uint32_t id = first + static_cast<uint32_t>(i);
    ASSERT_EQ(queue.judge(id), Arrival::kNew);
    EXPECT_FALSE(queue.pop());
    uint8_t content = static_cast<uint8_t>(i);
    queue.insert(id, Opcode::kControl, {&content, 1});
    EXPECT_EQ(queue.judge(id), Arrival::kReplay);
  }
  for (size_t i = 0; i < kReceiveWindow; ++i) {
    auto packet = queue.pop();
    ASSERT_TRUE(packet);
    EXPECT_EQ(packet->payload, std::vector<uint8_t>{static_cast<uint8_t>(i)});
  }
  EXPECT_FALSE(queue.pop());
  EXPECT_EQ(queue.next_id(), static_cast<uint32_t>(first + kReceiveWindow));
  EXPECT_EQ(queue.judge(first), Arrival::kReplay);
}

INSTANTIATE_TEST_SUITE_P(AlsoAroundTheWrap, ReceiveWindow,
                         ::testing::Values(0u, 1u, 0x7ffffffau, 0xfffffff0u, 0xfffffffau, 0xffffffffu));

}  // namespace
}  // namespace culvert::openvpn
