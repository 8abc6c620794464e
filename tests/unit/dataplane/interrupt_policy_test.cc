// When a worker interrupts others, under a virtual clock.
#include "dataplane/interrupt_policy.h"

#include <gtest/gtest.h>

namespace culvert::dataplane {
namespace {

constexpr uint64_t kMillisecond = 1'000'000;
constexpr uint64_t kWindowApart = 5 * kMillisecond;  // lone packets: a window each
constexpr uint64_t kFullRate = 2 * FullRate::kBegins * kWindowApart / 1'000'000'000;

class InterruptPolicyTest : public ::testing::Test {
 protected:
  /// A packet wakes the worker, which had to wait for a core for `waited` ns.
  bool wake(uint64_t waited, size_t packets = 1) {
    now_ += kWindowApart;
    waited_ += waited;
    policy_.slept();
    EXPECT_TRUE(policy_.passed(now_, packets));
    policy_.decide(now_, waited_);
    return policy_.interrupts();
  }
  /// Long waits until it interrupts. Returns for how long it then does, in ns; a waking more or less.
  uint64_t interrupts_for() {
    while (!wake(InterruptPolicy::kLongWaitNs + InterruptPolicy::kShortWaitNs + 1)) continue;
    uint64_t from = now_;
    while (wake(0)) continue;
    return now_ - from;
  }

  InterruptPolicy policy_;
  uint64_t now_ = 1'000'000'000;
  uint64_t waited_ = 0;
};

TEST_F(InterruptPolicyTest, BeginsAsThreadsDoAndThenLetsOthersFinish) {
  EXPECT_TRUE(policy_.interrupts());
  EXPECT_FALSE(wake(0));
}

TEST_F(InterruptPolicyTest, ShortWaitsAreNoReason) {
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(wake(InterruptPolicy::kLongWaitNs));
  // Many wakings in a window, each behind its sender.
  for (int i = 0; i < 100; ++i) policy_.slept();
  EXPECT_FALSE(wake(100 * InterruptPolicy::kShortWaitNs));
}

TEST_F(InterruptPolicyTest, AfterALongWaitItInterruptsForAWhile) {
  wake(0);
  uint64_t first = interrupts_for();
  EXPECT_GE(first, InterruptPolicy::kShortestWhile);
  EXPECT_LE(first, InterruptPolicy::kShortestWhile + kWindowApart);
}

TEST_F(InterruptPolicyTest, WhilesGrowWhereLongWaitsGoOnAndShrinkWhenTheyAreForgotten) {
  wake(0);
  uint64_t expected = InterruptPolicy::kShortestWhile;
  for (int i = 0; i < 10; ++i) {
    uint64_t found = interrupts_for();
    EXPECT_GE(found, expected);
    EXPECT_LE(found, expected + kWindowApart);
    expected = std::min(2 * expected, InterruptPolicy::kLongestWhile);
  }
  for (uint64_t end = now_ + InterruptPolicy::kForgottenAfter; now_ < end;) EXPECT_FALSE(wake(0));
  EXPECT_LE(interrupts_for(), InterruptPolicy::kShortestWhile + kWindowApart);
}

TEST_F(InterruptPolicyTest, NeverAtFullRate) {
  wake(0);
  EXPECT_TRUE(wake(kMillisecond));
  EXPECT_FALSE(wake(kMillisecond, kFullRate));
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(wake(kMillisecond, kFullRate));
}

TEST_F(InterruptPolicyTest, WhereNobodyKnowsTheWaitItInterruptsBelowFullRate) {
  auto decide = [&](size_t packets) {
    now_ += kWindowApart;
    policy_.slept();
    EXPECT_TRUE(policy_.passed(now_, packets));
    policy_.decide(now_, std::nullopt);
    return policy_.interrupts();
  };
  EXPECT_TRUE(decide(1));
  EXPECT_FALSE(decide(kFullRate));
  EXPECT_TRUE(decide(1));
}

}  // namespace
}  // namespace culvert::dataplane
