#include "dataplane/session/replay_window.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace culvert::session {
namespace {

constexpr auto kFresh = ReplayVerdict::kFresh;
constexpr auto kDuplicate = ReplayVerdict::kDuplicate;
constexpr auto kTooOld = ReplayVerdict::kTooOld;

ReplayVerdict take(ReplayWindow& window, uint32_t id) {
  ReplayVerdict verdict = window.check(id);
  if (verdict == kFresh) window.commit(id);
  return verdict;
}

TEST(ReplayWindow, PacketIdZeroIsNeverFresh) {
  ReplayWindow window;
  window.reset(64, 0);
  EXPECT_EQ(window.check(0), kTooOld);
  EXPECT_EQ(take(window, 1), kFresh);
  EXPECT_EQ(window.check(0), kTooOld);
}

TEST(ReplayWindow, LookingDoesNotMoveIt) {
  ReplayWindow window;
  window.reset(64, 0);
  EXPECT_EQ(window.check(1000), kFresh);
  EXPECT_EQ(window.check(1), kFresh);
  EXPECT_EQ(window.highest(), 0u);
}

// The short way for packet-ids in order leaves the window as the long way does.
TEST(ReplayWindow, TakeNextIsCheckAndCommit) {
  std::mt19937 random{5};
  for (uint32_t size : {1u, 64u, 65u, 1000u}) {
    ReplayWindow by_next, by_check;
    for (ReplayWindow* window : {&by_next, &by_check}) window->reset(size, 40);
    uint64_t id = 40;
    for (int i = 0; i < 20'000; ++i) {
      id = random() % 8 != 0 ? by_check.highest() + 1 : id - std::min<uint64_t>(id, random() % 200) + random() % 200;
      ReplayVerdict verdict = by_check.check(id);
      bool next = by_next.take_next(id);
      ASSERT_EQ(next, id == by_check.highest() + 1) << id;
      ASSERT_EQ(next ? kFresh : by_next.check(id), verdict) << id;
      if (!next && verdict == kFresh) by_next.commit(id);
      if (verdict == kFresh) by_check.commit(id);
      ASSERT_EQ(by_next.highest(), by_check.highest());
    }
  }
}

TEST(ReplayWindow, TakeNextKeepsTheSequenceOfAStream) {
  ReplayWindow window;
  window.reset(64, 0);
  window.demand_sequence();
  EXPECT_TRUE(window.take_next(1));
  EXPECT_FALSE(window.take_next(3));
  EXPECT_EQ(window.check(3), ReplayVerdict::kGap);
  EXPECT_EQ(window.check(1), kDuplicate);
  EXPECT_TRUE(window.take_next(2));
}

TEST(ReplayWindow, ChangesItsSizeBothWays) {
  ReplayWindow window;
  for (uint32_t size : {64u, 5000u, 64u, 65536u, 5000u, 1u}) {
    window.reset(size, 0);
    for (uint32_t id = 1; id <= 300; ++id) EXPECT_EQ(take(window, id), kFresh) << size;
    EXPECT_EQ(window.check(300 - std::min(size - 1, 299u)), kDuplicate) << size;
  }
}

class ReplayWindowSizes : public ::testing::TestWithParam<uint32_t> {};

TEST_P(ReplayWindowSizes, EdgeIsTheSizeExactly) {
  uint32_t size = GetParam();
  ReplayWindow window;
  window.reset(size, 0);
  uint32_t top = 10 * size + 1000;
  EXPECT_EQ(take(window, top), kFresh);
  EXPECT_EQ(window.check(top), kDuplicate);
  EXPECT_EQ(window.check(top - size), kTooOld);
  if (size > 1) {
    EXPECT_EQ(take(window, top - size + 1), kFresh);
    EXPECT_EQ(window.check(top - size + 1), kDuplicate);
  }
}

TEST_P(ReplayWindowSizes, JumpsAroundTheSize) {
  uint32_t size = GetParam();
  for (uint32_t jump : {size - 1, size, size + 1, 2 * size, 63u, 64u, 65u, 128u, 1u << 20}) {
    ReplayWindow window;
    window.reset(size, 0);
    uint32_t start = 5000 + size;
    for (uint32_t id = start - 10; id <= start; ++id) EXPECT_EQ(take(window, id), kFresh);
    if (jump == 0) continue;
    EXPECT_EQ(take(window, start + jump), kFresh);
    EXPECT_EQ(window.check(start), jump >= size ? kTooOld : kDuplicate) << size << " " << jump;
    // What was jumped over is fresh as far as the window reaches.
    if (jump > 1) {
      EXPECT_EQ(window.check(start + 1), jump - 1 >= size ? kTooOld : kFresh) << size << " " << jump;
    }
  }
}

TEST_P(ReplayWindowSizes, AgreesWithASetOfAllPacketIds) {
  uint32_t size = GetParam();
  std::mt19937 random(size);
  ReplayWindow window;
  window.reset(size, 0);
  std::set<uint32_t> seen;
  uint32_t highest = 0;
  for (int round = 0; round < 20000; ++round) {
    int64_t offset = static_cast<int64_t>(random() % (2 * size + 8)) - static_cast<int64_t>(size) - 4;
    if (round % 100 == 0) offset *= 8;
    uint32_t id = static_cast<uint32_t>(std::max<int64_t>(0, int64_t{highest} + offset));
    ReplayVerdict expected = kFresh;
    if (id == 0 || (id <= highest && highest - id >= size)) {
      expected = kTooOld;
    } else if (seen.contains(id)) {
      expected = kDuplicate;
    }
    ASSERT_EQ(take(window, id), expected) << "size " << size << " id " << id << " highest " << highest;
    if (expected == kFresh) seen.insert(id), highest = std::max(highest, id);
  }
}

TEST_P(ReplayWindowSizes, EndsAtTheLastPacketId) {
  ReplayWindow window;
  window.reset(GetParam(), 0);
  for (uint32_t id = 0xFFFFFFFF - 10; id != 0; ++id) EXPECT_EQ(take(window, id), kFresh);
  EXPECT_EQ(take(window, 0), kTooOld);
  EXPECT_EQ(take(window, 1), kTooOld);
  EXPECT_EQ(take(window, 0xFFFFFFFF), kDuplicate);
}

TEST_P(ReplayWindowSizes, NothingUpToTheFloorIsFresh) {
  for (uint32_t floor : {1u, 63u, 64u, 65u, 1000u, 100000u}) {
    ReplayWindow window;
    window.reset(GetParam(), floor);
    for (uint32_t id = floor > 200 ? floor - 200 : 0; id <= floor; ++id) EXPECT_NE(window.check(id), kFresh) << id;
    EXPECT_EQ(take(window, floor + 1), kFresh);
    EXPECT_NE(window.check(floor), kFresh);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, ReplayWindowSizes, ::testing::Values(1, 2, 63, 64, 65, 100, 128, 4096, 65536));

TEST(ReplayWindow, StartedAnewItDemandsNoSequence) {
  ReplayWindow window;
  window.reset(64, 0);
  window.demand_sequence();
  EXPECT_EQ(take(window, 5), kFresh);
  window.reset(64, 0);
  EXPECT_EQ(take(window, 5), kFresh);
  EXPECT_EQ(take(window, 9), kFresh);
  window.reset(64, 20);
  window.demand_sequence();
  EXPECT_EQ(take(window, 30), kFresh) << "the first may be any";
}

TEST(ReplayWindow, ImpossibleSizesAreBroughtIntoRange) {
  ReplayWindow strict;
  strict.reset(0, 0);
  EXPECT_EQ(take(strict, 5), kFresh);
  EXPECT_EQ(take(strict, 4), kTooOld);
  ReplayWindow wide;
  wide.reset(0xFFFFFFFF, 0);
  EXPECT_EQ(take(wide, 1 << 20), kFresh);
  EXPECT_EQ(take(wide, (1 << 20) - ReplayWindow::kMaxSize), kTooOld);
}

}  // namespace
}  // namespace culvert::session
