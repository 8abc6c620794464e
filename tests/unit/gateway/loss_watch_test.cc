// When losses in front of the dataplane are something to look at, and when no more.
#include "control/gateway/loss_watch.h"

#include <gtest/gtest.h>

namespace culvert::gateway {
namespace {

using abi::DropReason;

LossWatch::Drops drops(uint64_t udp, uint64_t tun = 0) {
  LossWatch::Drops made{};
  made.fill(1'000'000);  // other reasons are nothing to warn of
  made[static_cast<size_t>(DropReason::udp_rx_missed)] = udp;
  made[static_cast<size_t>(DropReason::tun_rx_missed)] = tun;
  made[static_cast<size_t>(DropReason::nic_rx_missed)] = 0;
  return made;
}

TEST(LossWatch, NamesReasonNumberAndWayOut) {
  LossWatch watch;
  EXPECT_TRUE(watch.sample(drops(0)).empty());
  auto texts = watch.concerns(drops(1234, 100));
  ASSERT_EQ(texts.size(), 2u);
  EXPECT_EQ(texts[0], "1234 packets were lost within 10 minutes (udp_rx_missed): " +
                          std::string(abi::info(DropReason::udp_rx_missed).text));
  EXPECT_NE(texts[0].find("rcvbuf"), std::string::npos);
  EXPECT_TRUE(texts[1].starts_with("100 packets were lost within 10 minutes (tun_rx_missed): ")) << texts[1];
  EXPECT_NE(texts[1].find("txqueuelen"), std::string::npos);
}

TEST(LossWatch, AFewAreNothingToWarnOf) {
  LossWatch watch;
  watch.sample(drops(50));
  EXPECT_TRUE(watch.concerns(drops(50 + LossWatch::kWorthAWord - 1)).empty());
  EXPECT_EQ(watch.concerns(drops(50 + LossWatch::kWorthAWord)).size(), 1u);
}

TEST(LossWatch, WhatWasLostBeforeControlStartedIsOfNoDate) {
  LossWatch watch;
  EXPECT_TRUE(watch.concerns(drops(5000)).empty());
  EXPECT_TRUE(watch.sample(drops(5000)).empty());
  EXPECT_TRUE(watch.concerns(drops(5000)).empty());
}

TEST(LossWatch, IsLoggedOnceAndForgottenAfterTenMinutes) {
  LossWatch watch;
  watch.sample(drops(0));
  EXPECT_EQ(watch.sample(drops(500)).size(), 1u);
  for (size_t minute = 2; minute <= LossWatch::kSamples; ++minute) {
    EXPECT_EQ(watch.concerns(drops(500)).size(), 1u) << minute;
    EXPECT_TRUE(watch.sample(drops(500)).empty()) << minute;
  }
  EXPECT_TRUE(watch.concerns(drops(500)).empty());
  EXPECT_TRUE(watch.sample(drops(500)).empty());
  EXPECT_EQ(watch.sample(drops(900)).size(), 1u) << "it begins again";
}

TEST(LossWatch, ALossThatGoesOnIsLoggedOnce) {
  LossWatch watch;
  watch.sample(drops(0));
  size_t logged = 0;
  for (uint64_t minute = 1; minute < 60; ++minute) logged += watch.sample(drops(minute * 200)).size();
  EXPECT_EQ(logged, 1u);
}

TEST(LossWatch, ANewDataplaneCountsFromNothing) {
  LossWatch watch;
  watch.sample(drops(5000));
  EXPECT_TRUE(watch.concerns(drops(150)).empty()) << "of the old one";
  watch.begin_anew();
  EXPECT_EQ(watch.concerns(drops(150)).size(), 1u);
  EXPECT_EQ(watch.sample(drops(150)).size(), 1u);
}

}  // namespace
}  // namespace culvert::gateway
