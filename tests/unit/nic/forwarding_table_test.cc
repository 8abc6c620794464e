// rte_fib behind the interface of RouteSink, of both families.
#include "drivers/nic/forwarding_table.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "dataplane/abi/endpoint_text.h"
#include "tests/unit/nic/frames.h"
#include "tests/unit/support/eal.h"

namespace culvert::drivers {
namespace {

constexpr uint32_t kRoutes = 4096;

std::unique_ptr<ForwardingTable> make(const std::string& name) {
  testing::start_eal(512);
  auto table = ForwardingTable::make(name, kRoutes);
  EXPECT_TRUE(table) << (table ? "" : table.error());
  return table ? std::move(*table) : nullptr;
}

NextHop at(const ForwardingTable& table, const std::string& address) {
  abi::IpAddress wanted = *abi::parse_ip(address);
  return table.look_up(wanted.family == abi::Family::kIpv4 ? 4 : 6, wanted.bytes.data());
}

IpPrefix prefix_of(const std::string& address, uint8_t length) {
  return {*abi::parse_ip(address), length};
}

TEST(ForwardingTable, LongestPrefixOfBothFamilies) {
  auto table = make("longest");
  table->set_next_hop(5, NextHop::through(1, testing::kNeighbour));
  ASSERT_TRUE(table->set_route(prefix_of("0.0.0.0", 0), kHopTun));
  ASSERT_TRUE(table->set_route(prefix_of("10.0.0.0", 8), 5));
  ASSERT_TRUE(table->set_route(prefix_of("10.1.1.1", 32), kHopLocal));
  EXPECT_EQ(at(*table, "11.0.0.1").kind(), NextHop::Kind::kTun);
  EXPECT_EQ(at(*table, "10.9.9.9"), NextHop::through(1, testing::kNeighbour));
  EXPECT_EQ(at(*table, "10.1.1.1").kind(), NextHop::Kind::kLocal);
  table->remove_route(prefix_of("10.1.1.1", 32));
  EXPECT_EQ(at(*table, "10.1.1.1").kind(), NextHop::Kind::kNic);

  EXPECT_EQ(at(*table, "2001:db8::1").kind(), NextHop::Kind::kKernel);
  ASSERT_TRUE(table->set_route(prefix_of("2001:db8::", 32), kHopTun));
  ASSERT_TRUE(table->set_route(prefix_of("2001:db8::1", 128), kHopLocal));
  EXPECT_EQ(at(*table, "2001:db8::1").kind(), NextHop::Kind::kLocal);
  EXPECT_EQ(at(*table, "2001:db8::2").kind(), NextHop::Kind::kTun);
}

TEST(ForwardingTable, ANextHopChangesForAllItsPrefixesAtOnce) {
  auto table = make("change");
  table->set_next_hop(3, NextHop(NextHop::Kind::kKernel));
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(table->set_route(prefix_of("10." + std::to_string(i) + ".0.0", 16), 3));
  EXPECT_EQ(at(*table, "10.7.0.1").kind(), NextHop::Kind::kKernel);
  EXPECT_FALSE(table->take_used(3));
  table->set_next_hop(3, NextHop::through(0, testing::kNeighbour));
  EXPECT_EQ(at(*table, "10.49.0.1").kind(), NextHop::Kind::kNic);
  EXPECT_TRUE(table->take_used(3));
  EXPECT_FALSE(table->take_used(3));
}

TEST(ForwardingTable, AnIncompleteOneLeavesAllToTheKernel) {
  auto table = make("incomplete");
  ASSERT_TRUE(table->set_route(prefix_of("10.0.0.0", 8), kHopTun));
  table->set_complete(false);
  EXPECT_EQ(at(*table, "10.1.1.1").kind(), NextHop::Kind::kKernel);
  table->set_complete(true);
  EXPECT_EQ(at(*table, "10.1.1.1").kind(), NextHop::Kind::kTun);
}

TEST(ForwardingTable, SaysWhenItIsFull) {
  auto table = make("full");
  uint32_t added = 0;
  while (added < 2 * kRoutes &&
         table->set_route(prefix_of("10." + std::to_string(added / 256) + "." + std::to_string(added % 256) + ".0", 24),
                          kHopTun))
    ++added;
  EXPECT_GT(added, kRoutes / 4);  // inner nodes of the tree count as well
  EXPECT_LT(added, 2 * kRoutes);
  EXPECT_EQ(at(*table, "10.0.7.1").kind(), NextHop::Kind::kTun);
}

TEST(NextHop, KeepsWhatIsPutIn) {
  wire::MacAddress mac = {0xFF, 1, 0x80, 0, 0x7F, 0xFE};
  NextHop hop = NextHop::through(255, mac);
  EXPECT_EQ(hop.kind(), NextHop::Kind::kNic);
  EXPECT_EQ(hop.nic(), 255);
  EXPECT_EQ(hop.neighbour(), mac);
  EXPECT_EQ(NextHop::from_word(hop.word()), hop);
}

}  // namespace
}  // namespace culvert::drivers
