// The kernel's routes and neighbours as the forwarding table gets them.
#include "drivers/nic/route_mirror.h"

#include <gtest/gtest.h>

#include "dataplane/abi/endpoint_text.h"

namespace culvert::drivers {
namespace {

constexpr int kTwin0 = 10, kTwin1 = 11, kTun = 20, kOther = 30;
constexpr wire::MacAddress kMac = {2, 0, 0, 0, 0, 9};
constexpr wire::MacAddress kMac2 = {2, 0, 0, 0, 0, 8};

/// Longest-prefix match by looking at every entry.
class Table final : public RouteSink {
 public:
  bool set_route(const IpPrefix& prefix, uint16_t hop) override {
    if (!routes.contains(prefix) && routes.size() >= room) return false;
    routes[prefix] = hop;
    return true;
  }
  void remove_route(const IpPrefix& prefix) override { EXPECT_EQ(routes.erase(prefix), 1u); }
  void set_next_hop(uint16_t hop, NextHop to) override { hops[hop] = to; }
  void set_complete(bool is_complete) override { complete = is_complete; }
  bool take_used(uint16_t hop) override { return used.erase(hop) > 0; }

  NextHop look_up(const std::string& address) const {
    abi::IpAddress wanted = *abi::parse_ip(address);
    for (int length = 128; length >= 0; --length) {
      auto found = routes.find(make_ip_prefix(wanted, static_cast<uint8_t>(length)));
      if (found != routes.end() && found->first.length == length) return meaning(found->second);
    }
    return NextHop();
  }
  NextHop meaning(uint16_t hop) const {
    constexpr NextHop::Kind kFixed[] = {NextHop::Kind::kKernel, NextHop::Kind::kLocal, NextHop::Kind::kTun};
    return hop < kFirstNeighbourHop ? NextHop(kFixed[hop]) : hops.at(hop);
  }

  size_t room = 1000;
  bool complete = true;
  std::map<IpPrefix, uint16_t> routes;
  std::map<uint16_t, NextHop> hops;
  std::set<uint16_t> used;
};

IpPrefix parse_prefix(const std::string& text) {
  size_t slash = text.find('/');
  return {*abi::parse_ip(text.substr(0, slash)), static_cast<uint8_t>(std::stoi(text.substr(slash + 1)))};
}

KernelRoute route(const std::string& to, int interface, const std::string& gateway = "", uint32_t metric = 0) {
  KernelRoute made;
  made.prefix = parse_prefix(to);
  made.interface = interface;
  made.metric = metric;
  if (!gateway.empty()) made.gateway = *abi::parse_ip(gateway);
  return made;
}

KernelRoute local(const std::string& address) {
  KernelRoute made = route(address + (address.find(':') == std::string::npos ? "/32" : "/128"), kTwin0);
  made.type = KernelRoute::Type::kLocal;
  made.is_local_table = true;
  return made;
}

class RouteMirrorTest : public ::testing::Test {
 protected:
  RouteMirrorTest() {
    mirror.add_nic(kTwin0, 0);
    mirror.add_nic(kTwin1, 1);
    mirror.set_tun(kTun);
  }
  void neighbour(int interface, const std::string& address, wire::MacAddress mac = kMac, bool stale = false) {
    mirror.set_neighbour(interface, *abi::parse_ip(address), mac, stale);
  }
  void gone(int interface, const std::string& address) { mirror.remove_neighbour(interface, *abi::parse_ip(address)); }
  NextHop::Kind kind(const std::string& address) const { return table.look_up(address).kind(); }

  Table table;
  RouteMirror mirror{table};
};

using Kind = NextHop::Kind;

TEST_F(RouteMirrorTest, LocalTunAndUnknown) {
  mirror.add_route(local("192.0.2.1"), false);
  mirror.add_route(route("10.8.0.0/24", kTun), false);
  mirror.add_route(route("203.0.113.0/24", kOther), false);
  EXPECT_EQ(kind("192.0.2.1"), Kind::kLocal);
  EXPECT_EQ(kind("10.8.0.77"), Kind::kTun);
  EXPECT_EQ(kind("203.0.113.9"), Kind::kKernel);
  EXPECT_EQ(kind("8.8.8.8"), Kind::kKernel);
}

TEST_F(RouteMirrorTest, NeighboursOfAConnectedNetwork) {
  mirror.add_route(route("192.0.2.0/24", kTwin0), false);
  EXPECT_EQ(kind("192.0.2.7"), Kind::kKernel);
  neighbour(kTwin0, "192.0.2.7");
  EXPECT_EQ(table.look_up("192.0.2.7"), NextHop::through(0, kMac));
  EXPECT_EQ(kind("192.0.2.8"), Kind::kKernel);
  neighbour(kTwin0, "192.0.2.7", kMac2);
  EXPECT_EQ(table.look_up("192.0.2.7"), NextHop::through(0, kMac2));
  gone(kTwin0, "192.0.2.7");
  EXPECT_EQ(kind("192.0.2.7"), Kind::kKernel);
  EXPECT_EQ(table.routes.size(), 1u);
}

TEST_F(RouteMirrorTest, ANeighbourKnownBeforeItsNetwork) {
  neighbour(kTwin1, "2001:db8::7");
  EXPECT_EQ(kind("2001:db8::7"), Kind::kKernel);
  mirror.add_route(route("2001:db8::/64", kTwin1), false);
  EXPECT_EQ(table.look_up("2001:db8::7"), NextHop::through(1, kMac));
  mirror.remove_route(route("2001:db8::/64", kTwin1));
  EXPECT_EQ(kind("2001:db8::7"), Kind::kKernel);
  EXPECT_TRUE(table.routes.empty());
}

TEST_F(RouteMirrorTest, ANeighbourOnTheWrongInterfaceIsNone) {
  mirror.add_route(route("192.0.2.0/24", kTwin0), false);
  neighbour(kTwin1, "192.0.2.7");
  EXPECT_EQ(kind("192.0.2.7"), Kind::kKernel);
  neighbour(kOther, "192.0.2.8");
  EXPECT_EQ(kind("192.0.2.8"), Kind::kKernel);
}

TEST_F(RouteMirrorTest, AMoreSpecificRouteTakesItsNeighboursAlong) {
  mirror.add_route(route("192.0.2.0/24", kTwin0), false);
  neighbour(kTwin0, "192.0.2.130");
  mirror.add_route(route("192.0.2.128/25", kTun), false);
  EXPECT_EQ(kind("192.0.2.130"), Kind::kTun);
  mirror.remove_route(route("192.0.2.128/25", kTun));
  EXPECT_EQ(table.look_up("192.0.2.130"), NextHop::through(0, kMac));
}

TEST_F(RouteMirrorTest, ManyPrefixesThroughOneGatewayChangeWithOneWord) {
  for (int i = 0; i < 100; ++i)
    mirror.add_route(route("10." + std::to_string(i) + ".0.0/16", kTwin1, "192.0.2.254"), false);
  EXPECT_EQ(kind("10.55.1.1"), Kind::kKernel);
  neighbour(kTwin1, "192.0.2.254");
  EXPECT_EQ(table.look_up("10.55.1.1"), NextHop::through(1, kMac));
  EXPECT_EQ(table.hops.size(), 1u);
  gone(kTwin1, "192.0.2.254");
  EXPECT_EQ(kind("10.55.1.1"), Kind::kKernel);
}

TEST_F(RouteMirrorTest, GatewaysOfLinkLocalAddressWork) {
  mirror.add_route(route("2001:db8:1::/48", kTwin0, "fe80::1"), false);
  neighbour(kTwin0, "fe80::1");
  EXPECT_EQ(table.look_up("2001:db8:1::5"), NextHop::through(0, kMac));
  neighbour(kTwin1, "fe80::1", kMac2);
  EXPECT_EQ(table.look_up("2001:db8:1::5"), NextHop::through(0, kMac));
}

TEST_F(RouteMirrorTest, TheLowestMetricWins) {
  neighbour(kTwin0, "192.0.2.254");
  mirror.add_route(route("10.0.0.0/8", kTwin0, "192.0.2.254", 100), false);
  mirror.add_route(route("10.0.0.0/8", kTun, "", 50), false);
  EXPECT_EQ(kind("10.1.1.1"), Kind::kTun);
  mirror.remove_route(route("10.0.0.0/8", kTun, "", 50));
  EXPECT_EQ(kind("10.1.1.1"), Kind::kNic);
}

TEST_F(RouteMirrorTest, ReplacingLeavesOne) {
  mirror.add_route(route("10.0.0.0/8", kTun), false);
  mirror.add_route(route("10.0.0.0/8", kOther), true);
  EXPECT_EQ(kind("10.1.1.1"), Kind::kKernel);
  mirror.remove_route(route("10.0.0.0/8", kOther));
  EXPECT_TRUE(table.routes.empty());
}

TEST_F(RouteMirrorTest, RemovingAnIpv4RouteDoesNotAskForItsNextHop) {
  mirror.add_route(route("10.0.0.0/8", kTwin0, "192.0.2.254"), false);
  mirror.remove_route(route("10.0.0.0/8", kTwin1, "198.51.100.1"));  // the other leg of a multipath route
  EXPECT_TRUE(table.routes.empty());
}

TEST_F(RouteMirrorTest, OfTwoRoutesOfOneMetricTheOtherStays) {
  // ip route append: the kernel has both, and uses the first.
  mirror.add_route(route("10.0.0.0/8", kTun), false);
  mirror.add_route(route("10.0.0.0/8", kTwin1, "198.51.100.1"), false);
  mirror.remove_route(route("10.0.0.0/8", kTwin1, "198.51.100.1"));
  EXPECT_EQ(kind("10.1.1.1"), Kind::kTun);
  mirror.remove_route(route("10.0.0.0/8", kTun));
  EXPECT_TRUE(table.routes.empty());
}

TEST_F(RouteMirrorTest, RefusedRoutesStayTheKernels) {
  KernelRoute blackhole = route("10.0.0.0/8", 0);
  blackhole.type = KernelRoute::Type::kOther;
  mirror.add_route(route("0.0.0.0/0", kTun), false);
  mirror.add_route(blackhole, false);
  EXPECT_EQ(kind("10.1.1.1"), Kind::kKernel);
  EXPECT_EQ(kind("11.1.1.1"), Kind::kTun);
}

TEST_F(RouteMirrorTest, AnotherTunTakesOver) {
  mirror.add_route(route("10.8.0.0/24", kTun + 1), false);
  EXPECT_EQ(kind("10.8.0.2"), Kind::kKernel);
  mirror.set_tun(kTun + 1);
  EXPECT_EQ(kind("10.8.0.2"), Kind::kTun);
}

TEST_F(RouteMirrorTest, ATwinThatIsMadeAgainTakesItsNicAlong) {
  constexpr int kNext = 40;
  mirror.add_route(route("0.0.0.0/0", kTwin0, "192.0.2.254"), false);
  neighbour(kTwin0, "192.0.2.254");
  ASSERT_EQ(kind("8.8.8.8"), NextHop::Kind::kNic);
  // The kernel may tell of the new one before we do; what it said of the old one it may not have taken back.
  mirror.add_route(route("203.0.113.0/24", kNext, "192.0.2.254"), false);
  EXPECT_EQ(kind("203.0.113.1"), NextHop::Kind::kKernel);
  mirror.replace_nic(kTwin0, kNext);
  EXPECT_EQ(mirror.neighbours(), 0u);
  EXPECT_EQ(kind("8.8.8.8"), NextHop::Kind::kKernel) << "its route was the old interface's";
  EXPECT_EQ(kind("203.0.113.1"), NextHop::Kind::kKernel) << "nobody knows the neighbour's MAC address yet";
  neighbour(kTwin0, "192.0.2.254", kMac2);
  EXPECT_EQ(mirror.neighbours(), 0u) << "no NIC has this interface any more";
  neighbour(kNext, "192.0.2.254", kMac2);
  EXPECT_EQ(kind("203.0.113.1"), NextHop::Kind::kNic);
  EXPECT_EQ(table.look_up("203.0.113.1").nic(), 0);
  mirror.replace_nic(99, 98);  // of no NIC
  EXPECT_EQ(kind("203.0.113.1"), NextHop::Kind::kNic);
}

TEST_F(RouteMirrorTest, ADumpForgetsWhatItDoesNotSay) {
  mirror.add_route(route("192.0.2.0/24", kTwin0), false);
  mirror.add_route(route("10.8.0.0/24", kTun), false);
  neighbour(kTwin0, "192.0.2.7");
  neighbour(kTwin0, "192.0.2.8");
  mirror.begin_dump();
  mirror.add_route(route("192.0.2.0/24", kTwin0), false);
  neighbour(kTwin0, "192.0.2.8");
  mirror.end_dump();
  EXPECT_EQ(kind("10.8.0.2"), Kind::kKernel);
  EXPECT_EQ(kind("192.0.2.7"), Kind::kKernel);
  EXPECT_EQ(kind("192.0.2.8"), Kind::kNic);
  EXPECT_EQ(table.routes.size(), 2u);
}

TEST_F(RouteMirrorTest, StaleNeighboursAreProbedWhileTheyAreUsed) {
  mirror.add_route(route("192.0.2.0/24", kTwin0), false);
  neighbour(kTwin0, "192.0.2.7", kMac, true);
  neighbour(kTwin0, "192.0.2.8", kMac, false);
  EXPECT_TRUE(mirror.to_probe().empty());
  for (const auto& [hop, to] : table.hops) table.used.insert(hop);
  auto list = mirror.to_probe();
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(abi::to_text(list[0].address), "192.0.2.7");
  EXPECT_TRUE(mirror.to_probe().empty());
}

TEST_F(RouteMirrorTest, WithoutRoomTheKernelAnswersAll) {
  table.room = 2;
  mirror.add_route(route("10.1.0.0/16", kTun), false);
  mirror.add_route(route("10.2.0.0/16", kTun), false);
  mirror.add_route(route("10.2.3.0/24", kOther), false);
  EXPECT_FALSE(table.complete);
  EXPECT_TRUE(mirror.is_full());
  mirror.remove_route(route("10.2.3.0/24", kOther));
  EXPECT_TRUE(table.complete);
}

TEST_F(RouteMirrorTest, WhatFoundNoRoomIsTriedAgainWhenThereIsSome) {
  table.room = 2;
  mirror.add_route(route("10.1.0.0/16", kTun), false);
  mirror.add_route(route("10.2.0.0/16", kTun), false);
  mirror.add_route(route("10.2.3.0/24", kOther), false);
  mirror.add_route(route("10.2.4.0/24", kOther), false);
  mirror.try_refused();
  EXPECT_FALSE(table.complete);
  mirror.remove_route(route("10.1.0.0/16", kTun));
  mirror.try_refused();
  EXPECT_FALSE(table.complete) << "there is room for one of the two";
  EXPECT_EQ(table.routes.size(), 2u);
  table.room = 3;
  mirror.remove_route(route("10.9.0.0/16", kTun));  // there was none: no reason to try
  mirror.add_route(route("10.9.0.0/16", kTun), false);
  mirror.remove_route(route("10.9.0.0/16", kTun));
  mirror.try_refused();
  EXPECT_TRUE(table.complete);
  EXPECT_EQ(kind("10.2.3.4"), Kind::kKernel);
  EXPECT_EQ(kind("10.2.4.4"), Kind::kKernel);
  EXPECT_EQ(kind("10.2.5.4"), Kind::kTun);
}

TEST_F(RouteMirrorTest, ADetourLeadsThroughTheKernelForItsTime) {
  mirror.add_route(route("192.0.2.0/24", kTwin0), false);
  mirror.add_route(route("10.0.0.0/8", kTwin0, "192.0.2.7"), false);
  mirror.add_route(local("10.0.0.1"), false);
  neighbour(kTwin0, "192.0.2.7");
  for (const char* address : {"192.0.2.7", "10.1.2.3", "10.0.0.1"}) mirror.add_detour(*abi::parse_ip(address), 1000);
  EXPECT_EQ(kind("192.0.2.7"), Kind::kKernel);
  EXPECT_EQ(kind("10.1.2.3"), Kind::kKernel);
  EXPECT_EQ(kind("10.1.2.4"), Kind::kNic);
  EXPECT_EQ(kind("10.0.0.1"), Kind::kLocal);
  mirror.end_detours(999);
  EXPECT_EQ(kind("10.1.2.3"), Kind::kKernel);
  mirror.end_detours(1000);
  EXPECT_EQ(kind("192.0.2.7"), Kind::kNic);
  EXPECT_EQ(kind("10.1.2.3"), Kind::kNic);
}

TEST_F(RouteMirrorTest, DetoursAreBounded) {
  table.room = 3000;
  for (int i = 0; i < 2500; ++i)
    mirror.add_detour(*abi::parse_ip("10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250)), 1);
  EXPECT_EQ(table.routes.size(), RouteMirror::kMaxDetours);
  mirror.end_detours(1);
  EXPECT_TRUE(table.routes.empty());
}

TEST_F(RouteMirrorTest, WhoeverFillsTheDetoursKeepsNobodyElseOut) {
  // Messages that a packet was too big are easily forged.
  table.room = 3000;
  auto forged = [](size_t i) { return "10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250); };
  for (size_t i = 0; i < RouteMirror::kMaxDetours; ++i) mirror.add_detour(*abi::parse_ip(forged(i)), 1000 + i);
  mirror.add_detour(*abi::parse_ip(forged(0)), 3000);  // said again
  mirror.add_detour(*abi::parse_ip("192.0.2.7"), 3000);
  EXPECT_EQ(table.routes.size(), RouteMirror::kMaxDetours);
  EXPECT_TRUE(table.routes.contains(parse_prefix("192.0.2.7/32")));
  EXPECT_TRUE(table.routes.contains(parse_prefix(forged(0) + "/32")));
  EXPECT_FALSE(table.routes.contains(parse_prefix(forged(1) + "/32"))) << "the one that was to end first made room";
}

TEST_F(RouteMirrorTest, NumbersOfNextHopsAreUsedAgain) {
  mirror.add_route(route("192.0.2.0/24", kTwin0), false);
  for (int round = 0; round < 5; ++round) {
    for (int i = 1; i < 255; ++i) neighbour(kTwin0, "192.0.2." + std::to_string(i));
    for (int i = 1; i < 255; ++i) gone(kTwin0, "192.0.2." + std::to_string(i));
  }
  EXPECT_LE(table.hops.size(), 254u);
}

TEST_F(RouteMirrorTest, NumbersOfRefusedRoutesAreGivenBack) {
  table.room = 1;
  mirror.add_route(route("10.0.0.0/8", kTwin0), false);
  for (int i = 0; i < kMaxHops + 10; ++i) {
    std::string host = "10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256);
    neighbour(kTwin0, host);
    gone(kTwin0, host);
  }
  table.room = 1000;
  neighbour(kTwin0, "10.200.0.1");
  EXPECT_EQ(table.look_up("10.200.0.1"), NextHop::through(0, kMac));
}

TEST_F(RouteMirrorTest, ANumberThatIsGivenBackMeansNobody) {
  mirror.add_route(route("192.0.2.0/24", kTwin0), false);
  neighbour(kTwin0, "192.0.2.7");
  mirror.remove_route(route("192.0.2.0/24", kTwin0));
  ASSERT_EQ(table.hops.size(), 1u);
  EXPECT_EQ(table.hops.begin()->second.kind(), Kind::kKernel) << "for who is still looking at it";
}

TEST_F(RouteMirrorTest, OurOwnAddressIsOursWhateverOtherRouteThereIs) {
  mirror.add_route(route("192.0.2.1/32", kTun), false);
  EXPECT_EQ(kind("192.0.2.1"), Kind::kTun);
  mirror.add_route(local("192.0.2.1"), false);
  EXPECT_EQ(kind("192.0.2.1"), Kind::kLocal);
}

TEST_F(RouteMirrorTest, WhoFoundNoNumberLeavesThatOfOthersAlone) {
  table.room = 2 * kMaxHops;
  mirror.add_route(route("10.0.0.0/8", kTwin0), false);
  auto host = [](int i) { return "10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256); };
  for (int i = 0; i < kMaxHops - kFirstNeighbourHop; ++i) neighbour(kTwin0, host(i));
  neighbour(kTwin0, "10.200.0.1", kMac2);
  EXPECT_EQ(kind("10.200.0.1"), Kind::kKernel) << "all numbers are taken";
  gone(kTwin0, host(7));
  mirror.add_route(route("203.0.113.0/24", kTwin0, "10.200.0.1"), false);
  ASSERT_EQ(table.look_up("203.0.113.9"), NextHop::through(0, kMac2));
  mirror.add_route(route("10.200.0.1/32", kTun), false);
  EXPECT_EQ(table.look_up("203.0.113.9"), NextHop::through(0, kMac2));
  neighbour(kTwin0, host(7));
  EXPECT_NE(table.look_up("203.0.113.9"), NextHop::through(0, kMac)) << "another neighbour's packets";
}

}  // namespace
}  // namespace culvert::drivers
