#include "perf/swarm/pace.h"

#include <gtest/gtest.h>

namespace culvert::swarm {
namespace {

constexpr uint64_t kMillisecond = 1'000'000;

TEST(Pace, WithoutARateTheWindowDecides) {
  Flight flight;
  Pace pace(0, 10, 0);
  EXPECT_EQ(pace.allowance(flight, 8, 1), 8u);
  flight.sent = 8;
  EXPECT_EQ(pace.allowance(flight, 8, 2), 0u) << "no part of a burst while others are on the way";
  flight.received = 6;
  EXPECT_EQ(pace.allowance(flight, 8, 3), 8u);
}

TEST(Pace, ARateIsKept) {
  Flight flight;
  Pace pace(1000, 1'000'000, 0);
  uint64_t granted = 0;
  for (uint64_t at = 0; at <= 2000 * kMillisecond; at += kMillisecond / 2) granted += pace.allowance(flight, 16, at);
  EXPECT_GE(granted, 1999u);
  EXPECT_LE(granted, 2001u);
}

TEST(Pace, APauseIsNotCaughtUpWith) {
  Flight flight;
  Pace pace(1000, 1'000'000, 0);
  uint64_t granted = 0;
  for (int i = 0; i < 100; ++i) granted += pace.allowance(flight, 16, 10'000 * kMillisecond);
  EXPECT_LE(granted, 11u) << "10 ms of 1,000 per second, not 10 s";
}

TEST(Pace, ATurnEndsHoweverFastTheyArrive) {
  Flight flight;
  Pace pace(0, 10, 0);
  for (int turn = 0; turn < 3; ++turn) {
    pace.begin_turn();
    EXPECT_FALSE(pace.turn_is_over());
    uint64_t granted = 0, more = 0;
    while (granted < 1000 && (more = pace.allowance(flight, 4, 1)) > 0) {
      granted += more;
      flight.sent = flight.received = flight.sent + more;
    }
    EXPECT_EQ(granted, 12u) << "whole bursts, until the window is full once";
    EXPECT_TRUE(pace.turn_is_over());
  }
}

TEST(Pace, WhatIsLostDoesNotStopTheRest) {
  Flight flight;
  Pace pace(0, 10, 0);
  flight.sent = 10;
  EXPECT_EQ(pace.allowance(flight, 5, kMillisecond), 0u);
  EXPECT_EQ(pace.allowance(flight, 5, 1000 * kMillisecond), 5u);
  flight.sent = 15;
  flight.received = 1;  // late, but it came
  EXPECT_EQ(pace.allowance(flight, 5, 1001 * kMillisecond), 5u);
}

}  // namespace
}  // namespace culvert::swarm
