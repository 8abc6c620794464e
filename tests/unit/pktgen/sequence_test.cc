#include "perf/pktgen/sequence.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace culvert::pktgen {
namespace {

TEST(SequenceTest, TellsOrderFromDisorder) {
  SequenceTracker tracker;
  EXPECT_EQ(tracker.note(0), Arrival::kInOrder);
  EXPECT_EQ(tracker.note(1), Arrival::kInOrder);
  EXPECT_EQ(tracker.note(5), Arrival::kInOrder);  // 2 to 4 may be lost
  EXPECT_EQ(tracker.note(3), Arrival::kReordered);
  EXPECT_EQ(tracker.note(3), Arrival::kDoubled);
  EXPECT_EQ(tracker.note(5), Arrival::kDoubled);
  EXPECT_EQ(tracker.note(0), Arrival::kDoubled);
  EXPECT_EQ(tracker.note(6), Arrival::kInOrder);
}

TEST(SequenceTest, TheFirstPacketNeedNotBeTheFirstSent) {
  SequenceTracker tracker;
  EXPECT_EQ(tracker.note(100'000), Arrival::kInOrder);
  EXPECT_EQ(tracker.note(99'999), Arrival::kReordered);
  EXPECT_EQ(tracker.note(99'999), Arrival::kDoubled);
  EXPECT_EQ(tracker.note(0), Arrival::kTooLate);
}

TEST(SequenceTest, ForgetsWhatIsFarBehindInsteadOfGuessing) {
  SequenceTracker tracker;
  tracker.note(10);
  tracker.note(10 + 2 * SequenceTracker::kWindow);
  EXPECT_EQ(tracker.note(10), Arrival::kTooLate);
  EXPECT_EQ(tracker.note(11), Arrival::kTooLate);
}

TEST(SequenceTest, AgreesWithASetOfAllNumbers) {
  std::mt19937 random(3);
  SequenceTracker tracker;
  std::vector<bool> seen(60'000);
  uint64_t base = 0, highest = 0;
  for (int i = 0; i < 50'000; ++i) {
    base += random() % 3 == 0 ? 1 : 0;
    if (random() % 500 == 0) base += random() % 40;
    uint64_t number = base + random() % 600;
    ASSERT_LT(number, seen.size());
    Arrival wanted = seen[number] ? Arrival::kDoubled : number >= highest ? Arrival::kInOrder : Arrival::kReordered;
    ASSERT_EQ(tracker.note(number), wanted) << i << ": " << number;
    seen[number] = true;
    highest = std::max(highest, number + 1);
  }
}

}  // namespace
}  // namespace culvert::pktgen
