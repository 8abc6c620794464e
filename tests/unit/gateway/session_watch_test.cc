#include "control/gateway/session_watch.h"

#include <gtest/gtest.h>

namespace culvert::gateway {
namespace {

using std::chrono::seconds;
using Verdict = SessionWatch::Verdict;

MonoTime at(int64_t s) {
  return MonoTime(seconds(100000 + s));
}

TEST(SessionWatch, WithoutLimitsNothingEverHappens) {
  SessionWatch watch({}, at(0), at(0));
  EXPECT_FALSE(watch.has_limits());
  EXPECT_EQ(watch.look({}, 0, at(1 << 30)), Verdict::kFine);
}

TEST(SessionWatch, AnyPacketIsActivity) {
  SessionWatch watch({.inactive = seconds(60)}, at(0), at(0));
  EXPECT_EQ(watch.look({0, 0}, 0, at(59)), Verdict::kFine);
  EXPECT_EQ(watch.look({84, 1}, 0, at(59)), Verdict::kFine);
  EXPECT_EQ(watch.look({84, 1}, 0, at(118)), Verdict::kFine);
  EXPECT_EQ(watch.look({84, 1}, 0, at(119)), Verdict::kInactive);
}

TEST(SessionWatch, FewerBytesThanAskedForAreNone) {
  SessionWatch watch({.inactive = seconds(60), .inactive_bytes = 1000}, at(0), at(0));
  EXPECT_EQ(watch.look({999, 9}, 0, at(30)), Verdict::kFine);
  EXPECT_EQ(watch.look({1000, 10}, 0, at(59)), Verdict::kFine);
  EXPECT_EQ(watch.look({1999, 20}, 0, at(119)), Verdict::kInactive);
}

TEST(SessionWatch, AgeCountsFromTheConnectAlsoAfterARestart) {
  SessionWatch watch({.session_timeout = seconds(3600)}, at(-3000), at(0));
  EXPECT_EQ(watch.look({}, 0, at(599)), Verdict::kFine);
  EXPECT_EQ(watch.look({}, 0, at(600)), Verdict::kTooOld);
}

TEST(SessionWatch, KeysAreRenewedAfterWhatTheyCarried) {
  SessionWatch watch({.reneg_packets = 100}, at(0), at(0));
  EXPECT_EQ(watch.look({0, 50}, 0, at(1)), Verdict::kFine) << "counts from the first look";
  EXPECT_EQ(watch.look({0, 149}, 0, at(2)), Verdict::kFine);
  EXPECT_EQ(watch.look({0, 150}, 0, at(3)), Verdict::kRenegotiate);
  EXPECT_EQ(watch.look({0, 200}, 0, at(4)), Verdict::kFine) << "under way";
  EXPECT_EQ(watch.look({0, 240}, 1, at(5)), Verdict::kFine) << "a new key";
  EXPECT_EQ(watch.look({0, 339}, 1, at(6)), Verdict::kFine);
  EXPECT_EQ(watch.look({0, 340}, 1, at(7)), Verdict::kRenegotiate);
  SessionWatch bytes({.reneg_bytes = 1 << 20}, at(0), at(0));
  EXPECT_EQ(bytes.look({0, 0}, 0, at(1)), Verdict::kFine);
  EXPECT_EQ(bytes.look({1 << 20, 1}, 0, at(2)), Verdict::kRenegotiate);
}

}  // namespace
}  // namespace culvert::gateway
