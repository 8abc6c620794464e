#include "control/openvpn/replay.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/support/seeded_random.h"

namespace culvert::openvpn {
namespace {

using std::chrono::seconds;
using std::chrono::sys_seconds;

MonoTime second_at(int64_t second) {
  return MonoTime(seconds(second));
}
sys_seconds wall(int64_t second) {
  return sys_seconds(seconds(second));
}

bool take(ReplayWindow& window, ReplayId id, MonoTime now = second_at(0)) {
  if (!window.fresh(id, now)) return false;
  window.accept(id, now);
  return true;
}

TEST(ReplayWindow, TakesEachOnce) {
  ReplayWindow window;
  EXPECT_TRUE(take(window, {5, 1}));
  EXPECT_FALSE(take(window, {5, 1}));
  EXPECT_TRUE(take(window, {5, 3}));
  EXPECT_TRUE(take(window, {5, 2}));
  EXPECT_FALSE(take(window, {5, 2}));
  EXPECT_FALSE(take(window, {5, 3}));
  EXPECT_EQ(window.highest(), (ReplayId{5, 3}));
}

TEST(ReplayWindow, NeverTakesZero) {
  ReplayWindow window;
  EXPECT_FALSE(take(window, {5, 0}));
  EXPECT_TRUE(take(window, {5, 1}));
  EXPECT_FALSE(take(window, {5, 0}));
  EXPECT_FALSE(take(window, {6, 0}));
}

TEST(ReplayWindow, EndsAtSixtyFour) {
  ReplayWindow window;
  ASSERT_TRUE(take(window, {5, 1000}));
  EXPECT_FALSE(take(window, {5, 1000 - 65}));
  EXPECT_FALSE(take(window, {5, 1000 - 64}));
  EXPECT_TRUE(take(window, {5, 1000 - 63}));
  EXPECT_TRUE(take(window, {5, 1000 - 1}));
  // One further up, and the last one of before is out.
  ASSERT_TRUE(take(window, {5, 1001}));
  EXPECT_FALSE(take(window, {5, 1000 - 63}));
  EXPECT_TRUE(take(window, {5, 1001 - 62}));
}

TEST(ReplayWindow, FirstIdMayBeAnyAndThoseBeforeItMayFollow) {
  ReplayWindow window;
  ASSERT_TRUE(take(window, {5, kEarlyNegotiationId + 2}));
  EXPECT_TRUE(take(window, {5, kEarlyNegotiationId + 1}));
  EXPECT_FALSE(take(window, {5, kEarlyNegotiationId + 1}));
}

TEST(ReplayWindow, JumpsForget) {
  for (uint32_t jump : {63U, 64U, 65U, 1000000U}) {
    ReplayWindow window;
    ASSERT_TRUE(take(window, {5, 100}));
    ASSERT_TRUE(take(window, {5, 100 + jump}));
    EXPECT_FALSE(take(window, {5, 100})) << jump;
    EXPECT_TRUE(take(window, {5, 100 + jump - 1})) << jump;
  }
}

TEST(ReplayWindow, LaterTimeStartsAnewAndEarlierIsRefused) {
  ReplayWindow window;
  ASSERT_TRUE(take(window, {5, 50}));
  EXPECT_TRUE(take(window, {6, 1}));
  EXPECT_FALSE(take(window, {5, 51}));
  EXPECT_FALSE(take(window, {5, 1}));
  EXPECT_FALSE(take(window, {6, 1}));
  EXPECT_TRUE(take(window, {6, 2}));
}

TEST(ReplayWindow, LateByMoreThanFifteenSecondsIsRefused) {
  for (int64_t late : {14, 15, 16, 1000}) {
    ReplayWindow window;
    ASSERT_TRUE(take(window, {5, 10}, second_at(100)));
    EXPECT_EQ(take(window, {5, 9}, second_at(100 + late)), late <= 15) << late;
  }
  // What counts is when something above it came in, not when the newest did.
  ReplayWindow window;
  ASSERT_TRUE(take(window, {5, 10}, second_at(100)));
  ASSERT_TRUE(take(window, {5, 12}, second_at(110)));
  EXPECT_TRUE(take(window, {5, 11}, second_at(120)));
  EXPECT_FALSE(take(window, {5, 9}, second_at(120)));
}

TEST(ReplayWindow, EndsOfTheRange) {
  ReplayWindow window;
  ASSERT_TRUE(take(window, {UINT32_MAX, UINT32_MAX - 1}));
  EXPECT_TRUE(take(window, {UINT32_MAX, UINT32_MAX}));
  EXPECT_TRUE(take(window, {UINT32_MAX, UINT32_MAX - 63}));
  EXPECT_FALSE(take(window, {UINT32_MAX, UINT32_MAX}));
  EXPECT_FALSE(take(window, {UINT32_MAX, 1}));
  EXPECT_FALSE(take(window, {0, UINT32_MAX}));
}

TEST(ReplayWindow, ClosedStaysClosed) {
  ReplayWindow window = ReplayWindow::closed_at({5, 100});
  for (uint32_t id = 1; id <= 100; ++id) EXPECT_FALSE(take(window, {5, id})) << id;
  EXPECT_FALSE(take(window, {4, 101}));
  EXPECT_TRUE(take(window, {5, 102}));
  EXPECT_TRUE(take(window, {5, 101}));
  EXPECT_FALSE(take(window, {5, 100}));
  ReplayWindow far = ReplayWindow::closed_at({5, 100});
  EXPECT_TRUE(take(far, {5, 200}));
  EXPECT_FALSE(take(far, {5, 100}));
}

TEST(ReplayWindow, AgreesWithASetThatForgetsNothing) {
  culvert::testing::SeededRandom random(4);
  ReplayWindow window;
  std::set<ReplayId> seen;
  ReplayId highest;
  for (int i = 0; i < 100000; ++i) {
    const ReplayId id{static_cast<uint32_t>(1 + i / 20000), static_cast<uint32_t>(1 + i % 20000 + random.below(200))};
    const bool inside = id > highest || (id.time == highest.time && highest.id - id.id < 64);
    const bool expected = inside && !seen.contains(id);
    ASSERT_EQ(take(window, id), expected) << i;
    if (expected) seen.insert(id);
    if (expected && id > highest) highest = id;
  }
}

TEST(ReplaySender, OnlyGrows) {
  ReplaySender sender;
  EXPECT_EQ(sender.next(wall(1000)), (ReplayId{1000, 1}));
  EXPECT_EQ(sender.next(wall(1000)), (ReplayId{1000, 2}));
  EXPECT_EQ(sender.next(wall(2000)), (ReplayId{1000, 3}));  // the time is that of the first, as in the reference
  EXPECT_EQ(sender.next(wall(10)), (ReplayId{1000, 4}));
  EXPECT_EQ(sender.last(), (ReplayId{1000, 4}));
}

TEST(ReplaySender, StartsAboveWhatWasUsed) {
  EXPECT_EQ(ReplaySender({1000, 7}).next(wall(1001)), (ReplayId{1001, 1}));
  EXPECT_EQ(ReplaySender({1000, 7}).next(wall(1000)), (ReplayId{1000, 8}));
  EXPECT_EQ(ReplaySender({1000, 7}).next(wall(5)), (ReplayId{1000, 8}));
}

TEST(ReplaySender, FollowsAnother) {
  ReplaySender stateless;
  for (int i = 0; i < 100; ++i) stateless.next(wall(1000));
  EXPECT_EQ(ReplaySender::after(stateless).next(wall(1000)), (ReplayId{1001, 1}));
  EXPECT_EQ(ReplaySender::after(stateless).next(wall(900)), (ReplayId{1001, 1}));
  EXPECT_EQ(ReplaySender::after(stateless).next(wall(1500)), (ReplayId{1500, 1}));
}

TEST(ReplaySender, ClockFarOffStaysInRange) {
  const int64_t fifty_years = 50LL * 365 * 86400;
  EXPECT_EQ(ReplaySender().next(wall(-fifty_years)), (ReplayId{0, 1}));
  EXPECT_EQ(ReplaySender({1000, 7}).next(wall(-fifty_years)), (ReplayId{1000, 8}));
  EXPECT_EQ(ReplaySender().next(wall(5 * fifty_years)), (ReplayId{UINT32_MAX, 1}));
  ReplayWindow window;
  EXPECT_TRUE(take(window, {0, 1}));
  EXPECT_FALSE(take(window, {0, 1}));
}

TEST(ReplaySender, RollsOverOnlyIntoALaterSecond) {
  ReplaySender sender({1000, UINT32_MAX - 1});
  EXPECT_EQ(sender.next(wall(1000)), (ReplayId{1000, UINT32_MAX}));
  EXPECT_EQ(sender.next(wall(1000)), std::nullopt);
  EXPECT_EQ(sender.next(wall(999)), std::nullopt);
  EXPECT_EQ(sender.next(wall(1001)), (ReplayId{1001, 1}));
  EXPECT_EQ(ReplaySender({UINT32_MAX, UINT32_MAX}).next(wall(1000)), std::nullopt);
}

TEST(ReplaySender, AnnouncesEarlyNegotiation) {
  ReplaySender sender;
  sender.announce_early_negotiation(wall(1000));
  const auto id = sender.next(wall(1000));
  EXPECT_EQ(id, (ReplayId{1000, kEarlyNegotiationId + 1}));
  EXPECT_TRUE(supports_early_negotiation(*id));
  EXPECT_FALSE(supports_early_negotiation({1000, 1}));
  EXPECT_FALSE(supports_early_negotiation({1000, 0x0e000001}));
}

}  // namespace
}  // namespace culvert::openvpn
