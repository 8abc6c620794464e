#include "control/pool/peer_ids.h"

#include <gtest/gtest.h>

namespace culvert::pool {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Now rest_time(milliseconds t) {
  return {.mono = MonoTime(seconds(1000) + t), .wall = {}};
}

TEST(PeerIdPool, FreshOnesFirstThenTheOneThatRestedLongest) {
  PeerIdPool pool(3, seconds(1));
  auto a = pool.take(rest_time(milliseconds(0)));
  auto b = pool.take(rest_time(milliseconds(0)));
  EXPECT_EQ(*a, (abi::SessionRef{0, 1}));
  EXPECT_EQ(*b, (abi::SessionRef{1, 1}));
  pool.give_back(*b, rest_time(milliseconds(10)));
  pool.give_back(*a, rest_time(milliseconds(20)));
  EXPECT_EQ(*pool.take(rest_time(milliseconds(30))), (abi::SessionRef{2, 1}));
  EXPECT_FALSE(pool.take(rest_time(milliseconds(1009)))) << "packets of its last life may still be under way";
  EXPECT_EQ(*pool.take(rest_time(milliseconds(1010))), (abi::SessionRef{1, 2}));
  EXPECT_FALSE(pool.take(rest_time(milliseconds(1010))));
  EXPECT_EQ(*pool.take(rest_time(milliseconds(1020))), (abi::SessionRef{0, 2}));
  EXPECT_EQ(pool.taken(), 3u);
}

TEST(PeerIdPool, ALateGiveBackOfAnEarlierLifeDoesNothing) {
  PeerIdPool pool(1, seconds(0));
  auto first = pool.take(rest_time(milliseconds(0)));
  pool.give_back(*first, rest_time(milliseconds(0)));
  auto second = pool.take(rest_time(milliseconds(1)));
  ASSERT_TRUE(second);
  pool.give_back(*first, rest_time(milliseconds(2)));
  pool.give_back({5, 1}, rest_time(milliseconds(2)));
  EXPECT_EQ(pool.taken(), 1u);
  EXPECT_FALSE(pool.take(rest_time(milliseconds(3))));
}

TEST(PeerIdPool, GenerationsGoOnAboveThoseOfAnEarlierControl) {
  PeerIdPool pool(2);
  pool.seen(0, 41);
  pool.seen(0, 7);
  pool.seen(9, 1);  // out of range: ignored
  EXPECT_EQ(*pool.take(rest_time(milliseconds(0))), (abi::SessionRef{0, 42}));
}

TEST(PeerIdPool, AdoptedOnesAreTakenOnceAndComeBackOnce) {
  PeerIdPool pool(3, seconds(0));
  EXPECT_TRUE(pool.adopt({1, 5}));
  EXPECT_FALSE(pool.adopt({1, 6})) << "taken";
  EXPECT_FALSE(pool.adopt({0, 0})) << "generation 0 names nothing";
  EXPECT_FALSE(pool.adopt({3, 1})) << "out of range";
  EXPECT_EQ(pool.take(rest_time(milliseconds(0)))->peer_id, 0u);
  pool.give_back({1, 5}, rest_time(milliseconds(1)));
  EXPECT_EQ(pool.take(rest_time(milliseconds(2)))->peer_id, 2u);
  EXPECT_EQ(*pool.take(rest_time(milliseconds(2))), (abi::SessionRef{1, 6}));
  EXPECT_FALSE(pool.take(rest_time(milliseconds(2)))) << "each is there once";
}

TEST(PeerIdPool, GenerationZeroIsSkippedWhenItWraps) {
  PeerIdPool pool(1);
  pool.seen(0, UINT32_MAX);
  EXPECT_EQ(pool.take(rest_time(milliseconds(0)))->generation, 1u);
}

TEST(PeerIdPool, NeverGivesOutTheIdThatMeansNone) {
  PeerIdPool pool(UINT32_MAX);
  EXPECT_FALSE(pool.adopt({abi::kNoPeerId, 1}));
  EXPECT_TRUE(pool.adopt({abi::kNoPeerId - 1, 1}));
}

TEST(PeerIds, OneThatWasGivenBackJustNowMayBeTakenAgain) {
  PeerIdPool pool(3, seconds(1));
  auto older = *pool.take(rest_time(milliseconds(0)));
  auto other = *pool.take(rest_time(milliseconds(0)));
  EXPECT_FALSE(pool.take_again(older)) << "it is taken";
  pool.give_back(older, rest_time(milliseconds(1)));
  auto again = pool.take_again(older);
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, (abi::SessionRef{older.peer_id, older.generation + 1}));
  EXPECT_EQ(pool.taken(), 2u);
  pool.give_back(older, rest_time(milliseconds(2)));
  EXPECT_EQ(pool.taken(), 2u) << "its life before";
  pool.give_back(*again, rest_time(milliseconds(3)));
  EXPECT_FALSE(pool.take_again(older)) << "there was another life since";
  pool.give_back(other, rest_time(milliseconds(4)));
  EXPECT_FALSE(pool.take_again(*again)) << "not the last one";
  EXPECT_FALSE(pool.take_again({77, 1}));
}

}  // namespace
}  // namespace culvert::pool
