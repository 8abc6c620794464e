// When the memory of sessions goes back to the kernel, and when not.
#include "control/gateway/ebb.h"

#include <gtest/gtest.h>

namespace culvert::gateway {
namespace {

using namespace std::chrono_literals;

struct EbbTest : ::testing::Test {
  /// Is it due in any second of `time`?
  bool due_within(size_t sessions, std::chrono::seconds time) {
    bool due = false;
    for (const MonoTime end = now + time; now < end; now += 1s) due |= ebb.is_due(sessions, now);
    return due;
  }
  Ebb ebb;
  MonoTime now{1h};
};

TEST_F(EbbTest, IsDueOnceWhenMostHaveLeftForGood) {
  EXPECT_FALSE(due_within(4000, 1h));
  EXPECT_FALSE(due_within(0, Ebb::kLast));
  EXPECT_TRUE(due_within(0, 2s));
  EXPECT_FALSE(due_within(0, 1h));
  EXPECT_FALSE(due_within(4000, 1h));
  EXPECT_TRUE(due_within(10, Ebb::kLast + 2s)) << "each time";
}

TEST_F(EbbTest, ComesInStepsWhenTheyLeaveOneByOne) {
  int times = 0;
  for (size_t sessions = 8192; sessions > 0; --sessions) times += due_within(sessions, 1s) ? 1 : 0;
  times += due_within(0, Ebb::kLast + 2s) ? 1 : 0;
  EXPECT_GE(times, 4);
  EXPECT_LE(times, 6) << "with each half";
}

TEST_F(EbbTest, ThoseThatComeBackNeedTheirMemory) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(due_within(4000, 10s));
    EXPECT_FALSE(due_within(0, Ebb::kLast - 10s));
  }
}

TEST_F(EbbTest, AFewAreNotWorthIt) {
  EXPECT_FALSE(due_within(Ebb::kLeast - 1, 10s));
  EXPECT_FALSE(due_within(0, 1h));
}

TEST_F(EbbTest, NeitherAreLessThanHalf) {
  EXPECT_FALSE(due_within(4000, 10s));
  EXPECT_FALSE(due_within(2000, 1h));
  EXPECT_TRUE(due_within(1999, Ebb::kLast + 2s));
}

}  // namespace
}  // namespace culvert::gateway
