// The token bucket of a session's limit, on a clock of the test.
#include "dataplane/session/limit_bucket.h"

#include <gtest/gtest.h>

namespace culvert::session {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kStart = 1000 * kSecond;

/// Bytes that come through when packets of `size` bytes are sent every `every_ns` for `for_ns`, from `begin_ns` on.
uint64_t carried(LimitBucket& bucket, uint32_t size, uint64_t begin_ns, uint64_t for_ns, uint64_t every_ns) {
  uint64_t bytes = 0;
  for (uint64_t now = begin_ns; now < begin_ns + for_ns; now += every_ns)
    if (bucket.take(size, now)) bytes += size;
  return bytes;
}

uint64_t burst_of(uint64_t rate) {
  return std::max(rate / 100 / 8, LimitBucket::kLeastBurst);  // 10 ms
}

/// What comes at one moment.
uint64_t at_once(LimitBucket& bucket, uint64_t now_ns, uint32_t size = 100) {
  uint64_t bytes = 0;
  while (bytes < (uint64_t{1} << 32) && bucket.take(size, now_ns)) bytes += size;
  return bytes;
}

TEST(LimitBucket, HoldsTheRateOverSeconds) {
  for (uint64_t rate : {800'000u, 20'000'000u, 1'500'000'000u}) {
    for (uint32_t size : {40u, 64u, 1500u}) {
      LimitBucket bucket(rate, kStart);
      // Three times what the limit lets through, for three seconds.
      uint64_t every_ns = std::max<uint64_t>(1, uint64_t{size} * 8 * kSecond / rate / 3);
      uint64_t bytes = carried(bucket, size, kStart, 3 * kSecond, every_ns);
      EXPECT_LE(bytes, 3 * rate / 8 + burst_of(rate)) << rate << " " << size;
      EXPECT_GE(bytes + 2 * size, 3 * rate / 8 + burst_of(rate)) << rate << " " << size;
    }
  }
}

TEST(LimitBucket, LetsEverythingThroughThatStaysBelow) {
  LimitBucket bucket(20'000'000, kStart);
  EXPECT_EQ(carried(bucket, 1000, kStart, kSecond, 400'000), 2500u * 1000);  // exactly 20 Mbit/s
}

TEST(LimitBucket, IdleTimeIsWorthOneBurst) {
  for (uint64_t rate : {uint64_t{1'000}, uint64_t{20'000'000}, uint64_t{1'000'000'000}}) {
    LimitBucket bucket(rate, kStart);
    EXPECT_EQ(at_once(bucket, kStart), burst_of(rate) / 100 * 100);
    EXPECT_EQ(at_once(bucket, kStart + 3600 * kSecond), burst_of(rate) / 100 * 100) << rate;
  }
}

TEST(LimitBucket, FarJumpsOfTheClockFillItOnce) {
  LimitBucket bucket(abi::kMaxLimit, 0);
  const uint64_t burst = burst_of(abi::kMaxLimit);
  EXPECT_EQ(at_once(bucket, 0, 50'000), burst);
  EXPECT_EQ(at_once(bucket, UINT64_MAX, 50'000), burst);
  EXPECT_FALSE(bucket.take(1, 5));             // back: nothing comes of it,
  EXPECT_TRUE(bucket.take(50'000, 5 + 1000));  // and time goes on from there
  EXPECT_FALSE(bucket.take(1, 5 + 1000));
}

TEST(LimitBucket, OneBitPerSecond) {
  LimitBucket bucket(1, kStart);
  EXPECT_EQ(at_once(bucket, kStart), LimitBucket::kLeastBurst);
  EXPECT_FALSE(bucket.take(1, kStart + 8 * kSecond - 1));
  EXPECT_TRUE(bucket.take(1, kStart + 8 * kSecond));
  EXPECT_FALSE(bucket.take(1, kStart + 8 * kSecond));
}

TEST(LimitBucket, TheLargestLimitCountsExactly) {
  LimitBucket bucket(abi::kMaxLimit, kStart);
  EXPECT_EQ(at_once(bucket, kStart, 50'000), burst_of(abi::kMaxLimit));
  EXPECT_FALSE(bucket.take(64, kStart + 1));  // 50 bytes a nanosecond
  EXPECT_TRUE(bucket.take(64, kStart + 2));
  EXPECT_TRUE(bucket.take(36, kStart + 2));
  EXPECT_FALSE(bucket.take(1, kStart + 2));
}

TEST(LimitBucket, WhatDoesNotFitTakesNothing) {
  LimitBucket bucket(8, kStart);
  EXPECT_FALSE(bucket.take(LimitBucket::kLeastBurst + 1, kStart));
  EXPECT_TRUE(bucket.take(LimitBucket::kLeastBurst, kStart));
}

TEST(LimitBucket, NoLimitLetsEverythingThrough) {
  LimitBucket none;
  EXPECT_EQ(none.rate(), 0u);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(none.take(UINT32_MAX, kStart));
}

}  // namespace
}  // namespace culvert::session
