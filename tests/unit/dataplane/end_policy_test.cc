// When a dataplane ends that was told to, under a virtual clock.
#include "dataplane/end_policy.h"

#include <gtest/gtest.h>

namespace culvert::dataplane {
namespace {

constexpr uint64_t kNow = 7'000'000'000;
constexpr uint64_t kMillisecond = 1'000'000;

TEST(EndPolicy, AtOnceWhereThereIsNoControl) {
  EndPolicy policy;
  EXPECT_EQ(policy.deadline_ns(kNow), UINT64_MAX);
  policy.begin(kNow);
  EXPECT_TRUE(policy.is_over(kNow, 5, false));
}

TEST(EndPolicy, SoonWhenControlDoesNothing) {
  EndPolicy policy;
  policy.begin(kNow);
  EXPECT_EQ(policy.deadline_ns(kNow), kNow + EndPolicy::kLook);
  EXPECT_FALSE(policy.is_over(kNow, 5, true));
  EXPECT_FALSE(policy.is_over(kNow + EndPolicy::kQuiet - 1, 5, true));
  EXPECT_TRUE(policy.is_over(kNow + EndPolicy::kQuiet, 5, true));
}

TEST(EndPolicy, NotWhileSessionsEnd) {
  EndPolicy policy;
  policy.begin(kNow);
  uint64_t now_ns = kNow;
  for (uint64_t sessions = 9; sessions > 0; --sessions, now_ns += 200 * kMillisecond)
    ASSERT_FALSE(policy.is_over(now_ns, sessions, true)) << sessions;
  EXPECT_FALSE(policy.is_over(now_ns, 0, true));
  EXPECT_TRUE(policy.is_over(now_ns + EndPolicy::kFlush, 0, true));
}

TEST(EndPolicy, AtTheLatestAfterAWhile) {
  EndPolicy policy;
  policy.begin(kNow);
  uint64_t sessions = 1;
  uint64_t now_ns = kNow;
  while (!policy.is_over(now_ns, ++sessions, true)) now_ns += 100 * kMillisecond;
  EXPECT_EQ(now_ns, kNow + EndPolicy::kLongest);
}

}  // namespace
}  // namespace culvert::dataplane
