#include "dataplane/port_pace.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace culvert::dataplane {
namespace {

constexpr uint64_t kFirst = 1'000'000'000;

TEST(PortPace, APortThatHasNothingIsAskedLessAndLessOften) {
  PortPace pace(true);
  EXPECT_TRUE(pace.is_due(kFirst)) << "at first at once";
  uint64_t now = kFirst, wait = 0;
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
  for (int i = 0; i < 20; ++i) pace.asked(kFirst, false);
  pace.asked(kFirst, true);
  EXPECT_TRUE(pace.is_due(kFirst));
  pace.asked(kFirst, false);
  EXPECT_TRUE(pace.is_due(kFirst + PortPace::kStep)) << "what was before does not count any more";
}

TEST(PortPace, PortsThatAreNotTheKernelsAreAlwaysDue) {
  PortPace pace(false);
  for (int i = 0; i < 20; ++i) pace.asked(kFirst, false);
  EXPECT_TRUE(pace.is_due(kFirst));
}

}  // namespace
}  // namespace culvert::dataplane
