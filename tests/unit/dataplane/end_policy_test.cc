// When a dataplane ends that was told to, under a virtual clock.
#include "dataplane/end_policy.h"

#include <gtest/gtest.h>

namespace culvert::dataplane {
namespace {

constexpr uint64_t kAsked = 7'000'000'000;
constexpr uint64_t kMs = 1'000'000;

TEST(EndPolicy, AtOnceWhereThereIsNoControl) {
  EndPolicy policy;
  EXPECT_EQ(policy.deadline_ns(kAsked), UINT64_MAX);
  policy.begin(kAsked);
  EXPECT_TRUE(policy.is_over(kAsked, 5, false));
}

TEST(EndPolicy, SoonWhenControlDoesNothing) {
  EndPolicy policy;
  policy.begin(kAsked);
  EXPECT_EQ(policy.deadline_ns(kAsked), kAsked + EndPolicy::kLook);
  EXPECT_FALSE(policy.is_over(kAsked, 5, true));
  EXPECT_FALSE(policy.is_over(kAsked + EndPolicy::kQuiet - 1, 5, true));
  EXPECT_TRUE(policy.is_over(kAsked + EndPolicy::kQuiet, 5, true));
}

TEST(EndPolicy, NotWhileSessionsEnd) {
  EndPolicy policy;
  policy.begin(kAsked);
  uint64_t now_ns = kAsked;
  for (uint64_t sessions = 9; sessions > 0; --sessions, now_ns += 200 * kMs)
    ASSERT_FALSE(policy.is_over(now_ns, sessions, true)) << sessions;
  EXPECT_FALSE(policy.is_over(now_ns, 0, true));
  EXPECT_TRUE(policy.is_over(now_ns + EndPolicy::kFlush, 0, true));
}

TEST(EndPolicy, AtTheLatestAfterAWhile) {
  EndPolicy policy;
  policy.begin(kAsked);
  uint64_t sessions = 1;
  uint64_t now_ns = kAsked;
  while (!policy.is_over(now_ns, ++sessions, true)) now_ns += 100 * kMs;
  EXPECT_EQ(now_ns, kAsked + EndPolicy::kLongest);
}

}  // namespace
}  // namespace culvert::dataplane
