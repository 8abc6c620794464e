// When packets come at full rate, under a virtual clock.
#include "dataplane/full_rate.h"

#include <gtest/gtest.h>

namespace culvert::dataplane {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kPassApart = 100'000;  // ns between two passes, far less than a window

class FullRateTest : public ::testing::Test {
 protected:
  /// Passes at `per_second` packets for `nanoseconds`. Returns how often is_on() changed.
  uint32_t changes(uint64_t per_second, uint64_t nanoseconds) {
    uint32_t count = 0;
    for (uint64_t end = now_ + nanoseconds; now_ < end;) {
      now_ += kPassApart;
      bool before = rate_.is_on();
      bool ended = rate_.passed(now_, per_second * kPassApart / kSecond);
      if (rate_.is_on() == before) continue;
      EXPECT_TRUE(ended) << "only a window's end changes anything";
      ++count;
    }
    return count;
  }

  FullRate rate_;
  uint64_t now_ = 5 * kSecond;
};

TEST_F(FullRateTest, BeginsWithinTwoWindowsOfAStream) {
  EXPECT_FALSE(rate_.is_on());
  EXPECT_EQ(changes(2 * FullRate::kBegins, 2 * FullRate::kWindowNs + kPassApart), 1u);
  EXPECT_TRUE(rate_.is_on());
  EXPECT_EQ(changes(2 * FullRate::kBegins, kSecond), 0u);
}

TEST_F(FullRateTest, NotBelowItsRate) {
  EXPECT_EQ(changes(FullRate::kBegins - kSecond / kPassApart, kSecond), 0u);
  EXPECT_FALSE(rate_.is_on());
}

TEST_F(FullRateTest, ABurstIsNoStream) {
  changes(0, 2 * FullRate::kWindowNs);
  rate_.passed(now_ += kPassApart, 100);
  EXPECT_FALSE(rate_.is_on()) << "in no time, but in no whole window";
  EXPECT_EQ(changes(0, 10 * FullRate::kWindowNs), 0u);
}

TEST_F(FullRateTest, GoesOnWithSomewhatLess) {
  changes(FullRate::kBegins, 3 * FullRate::kWindowNs);
  ASSERT_TRUE(rate_.is_on());
  EXPECT_EQ(changes(FullRate::kEnds, kSecond), 0u);
  EXPECT_EQ(changes(FullRate::kEnds - kSecond / kPassApart, 2 * FullRate::kWindowNs + kPassApart), 1u);
  EXPECT_FALSE(rate_.is_on());
}

TEST_F(FullRateTest, EndsWithTheFirstPassAfterAPause) {
  changes(2 * FullRate::kBegins, 3 * FullRate::kWindowNs);
  ASSERT_TRUE(rate_.is_on());
  EXPECT_TRUE(rate_.passed(now_ += kSecond, 1)) << "one window, however long it was";
  EXPECT_FALSE(rate_.is_on());
}

}  // namespace
}  // namespace culvert::dataplane
