// The search against models of devices whose limit is known.
#include "perf/pktgen/search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace culvert::pktgen {
namespace {

constexpr double kMega = 1e6;

/// Lets `limit` through and loses the rest; the generator offers at most `most`.
struct Device {
  double limit;
  double most = 1e12;
  double base_loss = 0;  ///< share lost at any rate
  std::vector<double> asked{};

  Point operator()(double rate) {
    asked.push_back(rate);
    double offered = std::min(rate, most);
    double through = std::min(offered, limit) * (1 - base_loss);
    return {offered, 1 - through / offered};
  }
};

Found search(Device& device, SearchSettings settings) {
  return find_rate(settings, [&](double rate) { return device(rate); });
}

TEST(SearchTest, FindsTheLimitToTheResolution) {
  for (double limit : {0.05, 0.9, 3.3, 7.77, 9.99}) {
    for (double resolution : {0.1, 0.01, 0.001}) {
      Device device{limit * kMega};
      Found found = search(device, {.max_rate = 10 * kMega, .resolution = resolution});
      EXPECT_LE(found.rate, limit * kMega);
      EXPECT_GE(found.rate, limit * kMega * (1 - 2 * resolution)) << limit << ", " << resolution;
      EXPECT_EQ(found.loss, 0);
      EXPECT_FALSE(found.is_lower_bound);
      EXPECT_EQ(found.trials, device.asked.size());
      EXPECT_LE(found.trials, 25u);
    }
  }
}

TEST(SearchTest, AllowsTheLossOfTheGoal) {
  Device device{4 * kMega};
  Found found = search(device, {.max_rate = 10 * kMega, .resolution = 0.001, .loss_goal = 0.005});
  EXPECT_NEAR(found.rate, 4 * kMega / 0.995, 0.002 * 4 * kMega);
  EXPECT_LE(found.loss, 0.005);
  EXPECT_GT(found.loss, 0);
}

TEST(SearchTest, SaysWhenTheGeneratorIsTheLimit) {
  Device device{8 * kMega, 3 * kMega};
  Found found = search(device, {.max_rate = 10 * kMega});
  EXPECT_TRUE(found.is_lower_bound);
  EXPECT_EQ(found.rate, 3 * kMega);
  EXPECT_EQ(found.trials, 1u);
}

TEST(SearchTest, DoesNotAskForMoreThanTheGeneratorCan) {
  Device device{2.5 * kMega, 3 * kMega};
  Found found = search(device, {.max_rate = 10 * kMega});
  EXPECT_NEAR(found.rate, 2.5 * kMega, 0.03 * kMega);
  for (size_t i = 1; i < device.asked.size(); ++i) EXPECT_LE(device.asked[i], 3 * kMega);
}

TEST(SearchTest, GivesUpOnADeviceThatAlwaysLoses) {
  Device device{4 * kMega, 1e12, 0.01};
  Found found = search(device, {.max_rate = 10 * kMega});
  EXPECT_EQ(found.rate, 0);
  EXPECT_LE(found.trials, 20u);
}

TEST(SearchTest, ARateFailsOnlyWhenAllItsTriesDo) {
  Device device{4 * kMega};
  double last = 0;
  // The first trial at any rate meets an accident that has nothing to do with the rate.
  auto unlucky = [&](double rate) {
    Point point = device(rate);
    if (rate != std::exchange(last, rate)) point.loss = std::max(point.loss, 0.1);
    return point;
  };
  Found once = find_rate({.max_rate = 10 * kMega, .tries = 1}, unlucky);
  last = 0;
  Found twice = find_rate({.max_rate = 10 * kMega, .tries = 2}, unlucky);
  EXPECT_EQ(once.rate, 0);
  EXPECT_NEAR(twice.rate, 4 * kMega, 0.05 * kMega);
}

TEST(SearchTest, ADisturbanceOfSomeTrialsDoesNotDecide) {
  for (int from : {1, 2, 3, 5}) {
    Device device{4 * kMega};
    int calls = 0;
    auto disturbed = [&](double rate) {
      Point point = device(rate);
      ++calls;
      if (calls >= from && calls < from + 4) point.loss = std::max(point.loss, 0.2);
      return point;
    };
    Found found = find_rate({.max_rate = 10 * kMega, .resolution = 0.01}, disturbed);
    EXPECT_NEAR(found.rate, 4 * kMega, 0.09 * kMega) << from;
    EXPECT_FALSE(found.is_lower_bound);
    EXPECT_LE(found.trials, 40u);
  }
}

TEST(SearchTest, EndsWithADeviceWhoseLimitMoves) {
  int calls = 0;
  auto moody = [&](double rate) { return Point{rate, ++calls % 3 == 0 ? 0.0 : 0.2}; };
  Found found = find_rate({.max_rate = 10 * kMega, .resolution = 1e-12}, moody);
  EXPECT_LE(found.trials, 60u);
}

}  // namespace
}  // namespace culvert::pktgen
