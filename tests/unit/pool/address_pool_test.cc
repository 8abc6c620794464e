#include "control/pool/address_pool.h"

#include <gtest/gtest.h>

#include <set>

#include "dataplane/abi/endpoint_text.h"

namespace culvert::pool {
namespace {

using std::chrono::seconds;

MonoTime lease_time(int64_t s) {
  return MonoTime(seconds(1000 + s));
}

/// 10.8.0.2 … 10.8.0.(1 + size), and fd00::1000 onwards.
AddressRanges small_ranges(uint8_t size) {
  AddressRanges ranges;
  ranges.v4 = {.first = {10, 8, 0, 2}, .last = {10, 8, 0, static_cast<uint8_t>(1 + size)}};
  ranges.v6 = {.first = {0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0}};
  return ranges;
}

std::string text(const Lease& lease) {
  return abi::to_text(abi::ipv4(lease.ip4)) + " " + abi::to_text(abi::ipv6(lease.ip6));
}

Ipv6 plus_one(Ipv6 address) {
  ++address[15];
  return address;
}

TEST(AddressPool, GivesBothFamiliesFromOneSlot) {
  AddressPool pool(small_ranges(3));
  EXPECT_EQ(pool.capacity(), 3u);
  EXPECT_EQ(text(*pool.take("a", lease_time(0))), "10.8.0.2 fd00::1000");
  EXPECT_EQ(text(*pool.take("b", lease_time(0))), "10.8.0.3 fd00::1001");
}

TEST(AddressPool, IsExhaustedAndNamesNothingTwice) {
  AddressPool pool(small_ranges(200));
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) {
    auto lease = pool.take("c" + std::to_string(i), lease_time(0));
    ASSERT_TRUE(lease) << i;
    EXPECT_TRUE(seen.insert(text(*lease)).second) << text(*lease);
  }
  EXPECT_FALSE(pool.take("one too many", lease_time(0)));
  EXPECT_EQ(pool.taken(), 200u);
}

TEST(AddressPool, WithoutANameTheSlotOfBeforeSaysWhoseItWas) {
  AddressPool pool(small_ranges(5));
  auto first = pool.take("", lease_time(0));
  auto second = pool.take("", lease_time(0));
  pool.give_back(*first, lease_time(10));
  pool.give_back(*second, lease_time(10));
  EXPECT_EQ(text(*pool.take("", lease_time(10), first->slot)), text(*first));
  EXPECT_NE(text(*pool.take("", lease_time(10), first->slot)), text(*first)) << "somebody has it";
  auto other = pool.take("bob", lease_time(10));
  pool.give_back(*other, lease_time(10));
  EXPECT_NE(text(*pool.take("", lease_time(10), other->slot)), text(*other)) << "it was another's";
  EXPECT_TRUE(pool.take("", lease_time(15), 4711)) << "no slot of this pool: as without one";
}

TEST(AddressPool, TheSameNameGetsTheSameAddress) {
  AddressPool pool(small_ranges(5));
  (void)pool.take("other", lease_time(0));
  auto first = pool.take("alice", lease_time(0));
  pool.give_back(*first, lease_time(10));
  EXPECT_EQ(text(*pool.take("alice", lease_time(10))), text(*first)) << "even at once: the packets are its own";
}

TEST(AddressPool, AStrangerGetsItOnlyWhenNothingElseIsLeftAndAfterARest) {
  AddressPool pool(small_ranges(2));
  auto a = pool.take("a", lease_time(0));
  pool.give_back(*a, lease_time(1));
  auto b = pool.take("b", lease_time(1));
  EXPECT_NE(text(*b), text(*a)) << "one that was never used goes first";
  EXPECT_FALSE(pool.take("c", lease_time(1))) << "not in the moment in which its last owner left";
  EXPECT_FALSE(pool.take("c", lease_time(5)));
  auto c = pool.take("c", lease_time(6));
  ASSERT_TRUE(c);
  EXPECT_EQ(text(*c), text(*a));
  pool.give_back(*b, lease_time(7));
  auto again = pool.take("a", lease_time(30));
  ASSERT_TRUE(again) << "a's old address is taken: it gets another";
  EXPECT_EQ(text(*again), text(*b));
}

TEST(AddressPool, WhoseAddressWasAnothersSinceIsAStrangerToIt) {
  AddressPool pool(small_ranges(1));
  pool.give_back(*pool.take("a", lease_time(0)), lease_time(1));
  pool.give_back(*pool.take("b", lease_time(60)), lease_time(61));
  EXPECT_FALSE(pool.take("a", lease_time(61))) << "packets for b may be under way";
  EXPECT_TRUE(pool.take("b", lease_time(61)));
}

TEST(AddressPool, TheOneThatIsFreeLongestGoesFirst) {
  AddressPool pool(small_ranges(3));
  auto a = pool.take("a", lease_time(0));
  auto b = pool.take("b", lease_time(0));
  auto c = pool.take("c", lease_time(0));
  pool.give_back(*b, lease_time(1));
  pool.give_back(*a, lease_time(2));
  pool.give_back(*c, lease_time(3));
  EXPECT_EQ(text(*pool.take("x", lease_time(60))), text(*b));
  EXPECT_EQ(text(*pool.take("y", lease_time(60))), text(*a));
  EXPECT_EQ(text(*pool.take("z", lease_time(60))), text(*c));
}

TEST(AddressPool, ReservedSlotsStayOut) {
  AddressRanges with = small_ranges(3);
  with.reserved = {*abi::parse_ip("10.8.0.3"), *abi::parse_ip("fd00::1001"), *abi::parse_ip("10.9.0.1"),
                   *abi::parse_ip("fd00::1")};
  AddressPool pool(with);
  EXPECT_EQ(pool.capacity(), 2u) << "both reserved addresses are of one slot; the others of none";
  EXPECT_EQ(text(*pool.take("a", lease_time(0))), "10.8.0.2 fd00::1000");
  EXPECT_EQ(text(*pool.take("b", lease_time(0))), "10.8.0.4 fd00::1002");
  EXPECT_FALSE(pool.take("c", lease_time(0)));
  EXPECT_FALSE(pool.adopt("d", {10, 8, 0, 3}, plus_one(with.v6->first)));
  AddressPool::Exact exact = pool.take_exact("d", *abi::parse_ip("10.8.0.3"));
  EXPECT_TRUE(exact.inside);
  EXPECT_FALSE(exact.lease);
}

TEST(AddressPool, AdoptsWhatIsAlive) {
  AddressPool pool(small_ranges(3));
  Ipv6 ip6 = plus_one(small_ranges(3).v6->first);
  auto adopted = pool.adopt("alice", {10, 8, 0, 3}, ip6);
  ASSERT_TRUE(adopted);
  EXPECT_FALSE(pool.adopt("mallory", {10, 8, 0, 3}, ip6)) << "taken";
  EXPECT_FALSE(pool.adopt("bob", {10, 8, 0, 4}, ip6)) << "the two addresses are not of one slot";
  EXPECT_FALSE(pool.adopt("bob", {10, 8, 0, 77}, ip6)) << "outside";
  EXPECT_FALSE(pool.adopt("bob", {10, 8, 0, 1}, ip6)) << "below the first";
  EXPECT_EQ(text(*pool.take("x", lease_time(0))), "10.8.0.2 fd00::1000");
  EXPECT_EQ(text(*pool.take("y", lease_time(0))), "10.8.0.4 fd00::1002");
  EXPECT_FALSE(pool.take("z", lease_time(0)));
}

TEST(AddressPool, TakesOneFamilyAlone) {
  AddressRanges only6 = small_ranges(3);
  only6.v4.reset();
  only6.max_slots = 2;
  AddressPool pool6(only6);
  EXPECT_EQ(text(*pool6.take("a", lease_time(0))), "- fd00::1000");
  ASSERT_TRUE(pool6.adopt("b", {}, plus_one(only6.v6->first)));
  EXPECT_FALSE(pool6.take("c", lease_time(0)));

  AddressRanges only4 = small_ranges(1);
  only4.v6.reset();
  AddressPool pool4(only4);
  EXPECT_EQ(text(*pool4.take("a", lease_time(0))), "10.8.0.2 -");

  AddressPool none({});
  EXPECT_EQ(none.capacity(), 0u);
  EXPECT_FALSE(none.take("a", lease_time(0)));
}

TEST(AddressPool, CarriesAcrossBytes) {
  AddressRanges wide;
  wide.v4 = {.first = {10, 8, 0, 254}, .last = {10, 8, 1, 2}};
  wide.v6 = {.first = {0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe}};
  AddressPool pool(wide);
  EXPECT_EQ(pool.capacity(), 5u);
  (void)pool.take("a", lease_time(0));
  (void)pool.take("b", lease_time(0));
  EXPECT_EQ(text(*pool.take("c", lease_time(0))), "10.8.1.0 fd00::1:0");
}

TEST(AddressPool, GivingBackTwiceOrWhatWasNeverTakenDoesNothing) {
  AddressPool pool(small_ranges(2));
  auto a = pool.take("a", lease_time(0));
  pool.give_back(*a, lease_time(1));
  pool.give_back(*a, lease_time(2));
  pool.give_back({.slot = 77, .ip4 = {}, .ip6 = {}}, lease_time(2));
  EXPECT_EQ(pool.taken(), 0u);
  (void)pool.take("b", lease_time(60));
  (void)pool.take("c", lease_time(60));
  EXPECT_FALSE(pool.take("d", lease_time(60)));
}

AddressRanges fours() {
  AddressRanges ranges;
  ranges.v4 = {.first = {10, 8, 0, 4}, .last = {10, 8, 0, 251}, .in_fours = true};
  ranges.v6 = {.first = {0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0}};
  return ranges;
}

TEST(AddressPool, InFoursAClientHasTheThirdAndItsOtherEndTheSecond) {
  AddressPool pool(fours());
  EXPECT_EQ(pool.capacity(), 62u);
  Lease first = *pool.take("a", lease_time(0));
  EXPECT_EQ(text(first), "10.8.0.6 fd00::1000");
  EXPECT_EQ(first.peer, (Ipv4{10, 8, 0, 5}));
  EXPECT_EQ(text(*pool.take("b", lease_time(0))), "10.8.0.10 fd00::1001");
  auto exact = pool.take_exact("c", *abi::parse_ip("10.8.0.13"));
  EXPECT_TRUE(exact.lease) << "any of the four takes the slot";
  EXPECT_EQ(text(*pool.take("d", lease_time(0))), "10.8.0.18 fd00::1003");
  pool.give_back(first, lease_time(1));
  EXPECT_TRUE(pool.adopt("a", first.ip4, first.ip6));
}

TEST(AddressPool, RemembersAcrossRuns) {
  AddressPool pool(small_ranges(3));
  EXPECT_TRUE(pool.remember("alice", *abi::parse_ip("10.8.0.4"), false, lease_time(0)));
  EXPECT_FALSE(pool.remember("bob", *abi::parse_ip("10.8.0.4"), false, lease_time(0))) << "alice has it";
  EXPECT_FALSE(pool.remember("bob", *abi::parse_ip("10.9.0.4"), false, lease_time(0))) << "outside";
  EXPECT_EQ(text(*pool.take("bob", lease_time(0))), "10.8.0.2 fd00::1000");
  EXPECT_EQ(text(*pool.take("carol", lease_time(0))), "10.8.0.3 fd00::1001");
  EXPECT_EQ(text(*pool.take("dave", lease_time(0))), "10.8.0.4 fd00::1002") << "nothing else is left";
  EXPECT_FALSE(pool.take("alice", lease_time(0)));
}

TEST(AddressPool, FixedAddressesGoToNobodyElse) {
  AddressPool pool(small_ranges(2));
  EXPECT_TRUE(pool.remember("alice", *abi::parse_ip("10.8.0.2"), true, lease_time(0)));
  EXPECT_EQ(text(*pool.take("bob", lease_time(0))), "10.8.0.3 fd00::1001");
  EXPECT_FALSE(pool.take("carol", lease_time(100)));
  Lease lease = *pool.take("alice", lease_time(100));
  EXPECT_EQ(text(lease), "10.8.0.2 fd00::1000");
  pool.give_back(lease, lease_time(101));
  EXPECT_FALSE(pool.take("carol", lease_time(1000)));
  // The operator has set it for dave.
  auto exact = pool.take_exact("dave", *abi::parse_ip("10.8.0.2"));
  ASSERT_TRUE(exact.lease);
  pool.give_back(*exact.lease, lease_time(1001));
  EXPECT_TRUE(pool.take("carol", lease_time(2000)));
}

}  // namespace
}  // namespace culvert::pool
