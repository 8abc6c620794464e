#include "dataplane/port_pace.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace culvert::dataplane {
namespace {

constexpr uint64_t kNow = 1'000'000'000;

TEST(PortPace, APortThatHasNothingIsAskedLessAndLessOften) {
  PortPace pace(true);
  EXPECT_TRUE(pace.is_due(kNow)) << "at first at once";
  uint64_t now = kNow, wait = 0;
  for (int i = 0; i < 20; ++i) {
    pace.asked(now, false);
    wait = std::min(wait + PortPace::kStep, PortPace::kLongest);
    EXPECT_FALSE(pace.is_due(now + wait - 1)) << i;
    EXPECT_TRUE(pace.is_due(now + wait)) << i;
    now += wait;
  }
  EXPECT_EQ(wait, PortPace::kLongest);
}

TEST(PortPace, OneThatHasSomethingIsAskedAgainAtOnce) {
  PortPace pace(true);
  for (int i = 0; i < 20; ++i) pace.asked(kNow, false);
  pace.asked(kNow, true);
  EXPECT_TRUE(pace.is_due(kNow));
  pace.asked(kNow, false);
  EXPECT_TRUE(pace.is_due(kNow + PortPace::kStep)) << "what was before does not count any more";
}

TEST(PortPace, PortsThatAreNotTheKernelsAreAlwaysDue) {
  PortPace pace(false);
  for (int i = 0; i < 20; ++i) pace.asked(kNow, false);
  EXPECT_TRUE(pace.is_due(kNow));
}

}  // namespace
}  // namespace culvert::dataplane
