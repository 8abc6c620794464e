#include "perf/common/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace culvert::perf {
namespace {

TEST(HistogramTest, AnEmptyOneKnowsNothing) {
  Histogram empty;
  EXPECT_EQ(empty.count(), 0u);
  EXPECT_EQ(empty.at(0.5), 0u);
  EXPECT_EQ(empty.min(), 0u);
  EXPECT_EQ(empty.max(), 0u);
  EXPECT_TRUE(empty.buckets().empty());
}

TEST(HistogramTest, SmallValuesAreExact) {
  Histogram histogram;
  for (uint64_t value = 0; value < 64; ++value) histogram.record(value);
  EXPECT_EQ(histogram.at(0), 0u);
  EXPECT_EQ(histogram.at(0.5), 31u);
  EXPECT_EQ(histogram.at(1), 63u);
  EXPECT_EQ(histogram.buckets().size(), 64u);
}

TEST(HistogramTest, QuantilesAreRightToAThirtySecond) {
  std::mt19937_64 random(7);
  Histogram histogram;
  std::vector<uint64_t> values;
  for (int i = 0; i < 20'000; ++i) {
    uint64_t value = random() >> (random() % 60);
    values.push_back(value);
    histogram.record(value);
  }
  std::sort(values.begin(), values.end());
  for (double quantile : {0.01, 0.1, 0.5, 0.9, 0.99, 0.999}) {
    auto exact = static_cast<double>(values[static_cast<size_t>(quantile * 20'000) - 1]);
    auto found = static_cast<double>(histogram.at(quantile));
    EXPECT_GE(found, exact) << quantile;
    EXPECT_LE(found, exact * (1 + 1.0 / Histogram::kParts) + 1) << quantile;
  }
  EXPECT_EQ(histogram.at(1), values.back());
  EXPECT_EQ(histogram.max(), values.back());
  EXPECT_EQ(histogram.min(), values.front());
}

TEST(HistogramTest, BucketsHoldTheirValuesAndFollowEachOther) {
  Histogram histogram;
  for (uint64_t value : {uint64_t{0}, uint64_t{31}, uint64_t{32}, uint64_t{63}, uint64_t{64}, uint64_t{1000},
                         uint64_t{1} << 40, UINT64_MAX}) {
    Histogram one;
    one.record(value);
    auto buckets = one.buckets();
    ASSERT_EQ(buckets.size(), 1u);
    EXPECT_LE(buckets[0].from, value);
    EXPECT_GE(buckets[0].to, value);
    histogram.add(one);
  }
  auto buckets = histogram.buckets();
  EXPECT_EQ(histogram.count(), 8u);
  ASSERT_EQ(buckets.size(), 8u);
  for (size_t i = 1; i < buckets.size(); ++i) EXPECT_GT(buckets[i].from, buckets[i - 1].to);
  EXPECT_EQ(buckets.back().to, UINT64_MAX);
}

TEST(HistogramTest, OneSlowPacketMovesTheMaximumOnly) {
  Histogram histogram;
  for (int i = 0; i < 999; ++i) histogram.record(10);
  histogram.record(1'000'000);
  EXPECT_EQ(histogram.at(0.999), 10u);
  EXPECT_EQ(histogram.at(1), 1'000'000u);
  EXPECT_DOUBLE_EQ(histogram.mean(), (999 * 10 + 1'000'000) / 1000.0);
}

}  // namespace
}  // namespace culvert::perf
