// When a worker polls, sleeps and naps, under a virtual clock.
#include "dataplane/wait_policy.h"

#include <gtest/gtest.h>

namespace culvert::dataplane {
namespace {

using Next = WaitPolicy::Next;

constexpr uint64_t kMicrosecond = 1'000;
constexpr uint64_t kRarely = 5'000 * kMicrosecond;

class WaitPolicyTest : public ::testing::Test {
 protected:
  /// Passes with nothing to do until the policy wants something else than another one. Returns how many.
  uint32_t idle_passes(Next until) {
    uint32_t passes = 1;
    Next next;
    while ((next = policy_.passed(now_, 0, false)) == Next::kPoll && passes < 100) ++passes;
    EXPECT_EQ(next, until);
    return passes;
  }
  /// Sleeps for `nanoseconds` until `packets` come, which the first pass finds.
  Next sleep_and_receive(uint64_t nanoseconds, size_t packets) {
    policy_.slept(now_, packets > 0);
    now_ += nanoseconds;
    return policy_.passed(now_, packets, packets > 0);
  }
  /// Packets come one by one until the policy naps. Returns how many wakings it took; `most` when it never did.
  uint32_t wakings_before_nap(uint64_t apart, size_t packets, uint32_t most) {
    for (uint32_t waking = 1; waking <= most; ++waking) {
      EXPECT_EQ(sleep_and_receive(apart, packets), Next::kPoll);
      Next next;
      while ((next = policy_.passed(now_, 0, false)) == Next::kPoll) continue;
      if (next == Next::kNap) return waking;
    }
    return most;
  }
  Next nap(size_t packets) {
    now_ += WaitPolicy::kNapNs;
    return policy_.passed(now_, packets, packets > 0);
  }

  WaitPolicy policy_;
  uint64_t now_ = 1'000'000'000;
};

TEST_F(WaitPolicyTest, AtFirstAndInAStreamItPollsForAWhile) {
  EXPECT_EQ(idle_passes(Next::kSleep), WaitPolicy::kIdlePasses);
  EXPECT_EQ(sleep_and_receive(kRarely, WaitPolicy::kLonePackets + 1), Next::kPoll);
  EXPECT_FALSE(policy_.is_lone());
  EXPECT_EQ(idle_passes(Next::kSleep), WaitPolicy::kIdlePasses);
}

TEST_F(WaitPolicyTest, AfterALonePacketItSleepsAtOnce) {
  EXPECT_EQ(sleep_and_receive(kRarely, 1), Next::kPoll) << "the port is asked whether that was all";
  EXPECT_TRUE(policy_.is_lone());
  EXPECT_EQ(idle_passes(Next::kSleep), 1u);
}

TEST_F(WaitPolicyTest, PacketsThatKeepComingAreAStream) {
  sleep_and_receive(kRarely, 1);
  for (uint32_t i = 0; i < WaitPolicy::kLonePasses; ++i) EXPECT_EQ(policy_.passed(now_, 1, true), Next::kPoll);
  EXPECT_FALSE(policy_.is_lone());
  EXPECT_EQ(idle_passes(Next::kSleep), WaitPolicy::kIdlePasses);
}

TEST_F(WaitPolicyTest, AShortSleepMeansAStream) {
  sleep_and_receive(WaitPolicy::kShortSleep, 1);
  EXPECT_FALSE(policy_.is_lone());
  sleep_and_receive(WaitPolicy::kShortSleep + 1, 1);
  EXPECT_TRUE(policy_.is_lone());
}

TEST_F(WaitPolicyTest, ADoorbellOrATimerIsNoReasonToAskPorts) {
  EXPECT_EQ(sleep_and_receive(kMicrosecond, 0), Next::kSleep);
  EXPECT_TRUE(policy_.is_lone());
}

TEST_F(WaitPolicyTest, NapsOnlyWhenPacketsComeOftenAndFewAtATime) {
  constexpr uint32_t kMany = 10 * WaitPolicy::kWindow;
  constexpr uint64_t kOften = WaitPolicy::kOftenNs / 2;
  EXPECT_EQ(wakings_before_nap(kRarely, 1, kMany), kMany);
  EXPECT_EQ(wakings_before_nap(WaitPolicy::kOftenNs + kMicrosecond, 1, kMany), kMany);
  EXPECT_EQ(wakings_before_nap(kOften, WaitPolicy::kFewPackets, kMany), kMany) << "bursts have gathered already";
  for (uint32_t i = 0; i < kMany; ++i) {
    sleep_and_receive(kOften, 0);  // doorbells
    EXPECT_NE(policy_.passed(now_, 0, false), Next::kNap);
  }
  EXPECT_LE(wakings_before_nap(kOften, 1, kMany), 2 * WaitPolicy::kWindow);
}

TEST_F(WaitPolicyTest, NapsFollowEachOtherWhileTheyGatherPackets) {
  wakings_before_nap(30 * kMicrosecond, 2, 100);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(nap(WaitPolicy::kWorthNap), Next::kNap);
  EXPECT_FALSE(policy_.is_lone()) << "all ports are asked";
  EXPECT_EQ(nap(WaitPolicy::kNoNap), Next::kPoll) << "there is more than a nap's worth";
  EXPECT_EQ(policy_.passed(now_, 0, false), Next::kPoll) << "no more packets: back to what it does otherwise";
  EXPECT_EQ(idle_passes(Next::kSleep), WaitPolicy::kIdlePasses);
}

TEST_F(WaitPolicyTest, ANapThatGathersNothingIsNotTriedAgainSoon) {
  constexpr uint32_t kMany = 10'000;
  uint64_t pause = WaitPolicy::kShortestPause;
  for (int i = 0; i < 10; ++i) {  // packets that wait for an answer to the one before: naps only hold them up
    wakings_before_nap(30 * kMicrosecond, 1, kMany);
    EXPECT_EQ(nap(1), Next::kPoll);
    uint64_t failed_at = now_;
    EXPECT_LT(wakings_before_nap(30 * kMicrosecond, 1, kMany), kMany);
    EXPECT_GE(now_ - failed_at, pause);
    EXPECT_LE(now_ - failed_at, pause + 2 * WaitPolicy::kWindow * 30 * kMicrosecond);
    EXPECT_EQ(nap(1), Next::kPoll);
    pause = std::min(4 * pause, WaitPolicy::kLongestPause);
  }
  wakings_before_nap(30 * kMicrosecond, 1, kMany);
  for (uint32_t i = 0; i < WaitPolicy::kWindow; ++i) nap(WaitPolicy::kWorthNap);
  EXPECT_EQ(nap(0), Next::kPoll);
  uint64_t failed_at = now_;
  wakings_before_nap(30 * kMicrosecond, 1, kMany);
  EXPECT_LE(now_ - failed_at, WaitPolicy::kShortestPause + 2 * WaitPolicy::kWindow * 30 * kMicrosecond)
      << "naps had been worth it for long enough";
}

}  // namespace
}  // namespace culvert::dataplane
