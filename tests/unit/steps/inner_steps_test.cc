// Inner packets: source check, routing, MSS, and what goes between clients.
#include <gtest/gtest.h>

#include "tests/unit/support/path_rig.h"

namespace culvert {
namespace {

using abi::CommandKind;
using abi::DropReason;
using testing::Bytes;
using testing::ipv4_packet;
using testing::ipv6_packet;
using testing::PathRig;
using testing::Peer;

TEST(CheckInner, TellsCompressedFromMalformed) {
  struct Case {
    uint8_t first;
    DropReason reason;
  };
  for (Case c : {Case{0xFA, DropReason::inner_compressed}, Case{0xFB, DropReason::inner_compressed},
                 Case{0x50, DropReason::inner_compressed}, Case{0x66, DropReason::inner_compressed},
                 Case{0x69, DropReason::inner_compressed}, Case{0x00, DropReason::inner_malformed},
                 Case{0x45, DropReason::inner_malformed}, Case{0x60, DropReason::inner_malformed},
                 Case{0xFF, DropReason::inner_malformed}}) {
    for (size_t length : {1, 19, 20, 40, 1400}) {
      PathRig rig;
      Peer peer = rig.connect(0);
      rig.from_peer(peer, Bytes(length, c.first));
      EXPECT_EQ(rig.drops(c.reason), 1u) << int{c.first} << " " << length;
      EXPECT_TRUE(rig.sent_tun().empty());
    }
  }
}

TEST(CheckInner, WhatComesFromTheTunIsNeverCalledCompressed) {
  PathRig rig;
  rig.connect(0);
  for (uint8_t first : {0xFA, 0xFB, 0x50, 0x66, 0x69}) rig.from_tun(Bytes(40, first));
  EXPECT_EQ(rig.drops(DropReason::inner_compressed), 0u);
  EXPECT_EQ(rig.drops(DropReason::inner_malformed), 5u);
}

TEST(CheckSource, OnlyTheSessionsOwnAddressesAndPrefixes) {
  PathRig rig;
  Peer peer = rig.connect(0);
  rig.connect(1);
  rig.route(CommandKind::kAddRoute, peer.session, "10.99.0.0", 16);
  rig.route(CommandKind::kAddRoute, {1, 1}, "10.99.7.0", 24);
  rig.route(CommandKind::kAddRoute, peer.session, "fd99::", 64);
  struct Case {
    Bytes packet;
    bool allowed;
  };
  for (const Case& c :
       {Case{ipv4_packet("10.8.0.2", "192.0.2.1"), true}, Case{ipv4_packet("10.8.0.3", "192.0.2.1"), false},
        Case{ipv4_packet("10.8.0.1", "192.0.2.1"), false}, Case{ipv4_packet("0.0.0.0", "192.0.2.1"), false},
        Case{ipv4_packet("10.99.1.1", "192.0.2.1"), true},
        Case{ipv4_packet("10.99.7.1", "192.0.2.1"), false},  // a longer prefix of another session
        Case{ipv6_packet("fd00::2", "2001:db8::1"), true}, Case{ipv6_packet("fd00::3", "2001:db8::1"), false},
        Case{ipv6_packet("fd99::1", "2001:db8::1"), true}, Case{ipv6_packet("fe80::1", "2001:db8::1"), false}}) {
    uint64_t before = rig.drops(DropReason::inner_source_not_allowed);
    rig.from_peer(peer, c.packet);
    EXPECT_EQ(rig.sent_tun().size(), c.allowed);
    EXPECT_EQ(rig.drops(DropReason::inner_source_not_allowed) - before, !c.allowed);
  }
}

TEST(CheckSource, ASessionWithoutAddressMayUseNone) {
  PathRig rig;
  Peer peer = rig.connect(0, [](auto& session, auto&) {
    session.ip4 = {};
    session.ip6 = {};
  });
  rig.from_peer(peer, ipv4_packet("0.0.0.0", "192.0.2.1"));
  rig.from_peer(peer, ipv6_packet("::", "2001:db8::1"));
  EXPECT_EQ(rig.drops(DropReason::inner_source_not_allowed), 2u);
}

class ClientToClient : public ::testing::TestWithParam<std::pair<bool, bool>> {};

TEST_P(ClientToClient, StraightOnlyWhenBothMay) {
  auto [from_may, to_may] = GetParam();
  PathRig rig;
  auto flags = [](bool may) { return may ? abi::session_flag::kClientToClient : 0; };
  Peer from = rig.connect(0, [&](auto& session, auto&) { session.flags = flags(from_may); });
  Peer to = rig.connect(1, [&](auto& session, auto&) { session.flags = flags(to_may); });
  Bytes inner = ipv4_packet("10.8.0.2", "10.8.0.3");
  rig.from_peer(from, inner);
  auto sent = rig.sent_outer();
  if (from_may && to_may) {
    ASSERT_EQ(sent.size(), 1u);
    auto opened = to.open(sent[0].bytes);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->inner, inner) << "TTL included";
    EXPECT_TRUE(rig.sent_tun().empty());
    EXPECT_EQ(rig.counter(abi::Counter::client_to_client_packets), 1u);
  } else {
    EXPECT_TRUE(sent.empty());
    EXPECT_EQ(rig.sent_tun(), std::vector<Bytes>{inner}) << "the kernel decides";
  }
}

INSTANTIATE_TEST_SUITE_P(Flags, ClientToClient,
                         ::testing::Values(std::pair{true, true}, std::pair{true, false}, std::pair{false, true},
                                           std::pair{false, false}));

TEST(Route, WhatIsTooBigForAnotherClientIsTheSendersDrop) {
  PathRig rig;
  auto join = [&](uint32_t id, uint16_t mtu) {
    return rig.connect(id, [mtu](auto& session, auto&) {
      session.flags = abi::session_flag::kClientToClient;
      session.tun_mtu = mtu;
    });
  };
  Peer from = join(0, 1500);
  join(1, 1300);
  rig.from_peer(from, ipv4_packet("10.8.0.2", "10.8.0.3", 1280));
  EXPECT_EQ(rig.sent_outer().size(), 1u);
  rig.from_peer(from, ipv4_packet("10.8.0.2", "10.8.0.3", 1281));
  EXPECT_EQ(rig.drops(DropReason::inner_too_big), 1u);
  EXPECT_EQ(rig.counter(abi::Counter::client_to_client_packets), 1u);
  rig.round();
  EXPECT_EQ(rig.record(0).drops.load(), 1u);
  EXPECT_EQ(rig.record(1).drops.load(), 0u);
}

TEST(Route, FromTheTunToTheLongestPrefix) {
  PathRig rig;
  Peer one = rig.connect(0), two = rig.connect(1);
  rig.route(CommandKind::kAddRoute, one.session, "10.99.0.0", 16);
  rig.route(CommandKind::kAddRoute, two.session, "10.99.7.0", 24);
  rig.from_tun(ipv4_packet("192.0.2.1", "10.99.1.1"));
  rig.from_tun(ipv4_packet("192.0.2.1", "10.99.7.1"));
  rig.from_tun(ipv6_packet("2001:db8::1", "fd00::3"));
  auto sent = rig.sent_outer();
  ASSERT_EQ(sent.size(), 3u);
  EXPECT_TRUE(one.open(sent[0].bytes));
  EXPECT_TRUE(two.open(sent[1].bytes));
  EXPECT_TRUE(two.open(sent[2].bytes));
}

TEST(Route, WhatIsStagedWhenThePathEndsIsFreed) {
  PathRig rig;  // whose pool looks for packets that are left
  Peer peer = rig.connect(0);
  rte_mbuf* in = rig.outer_packet(peer.seal(ipv4_packet("10.8.0.2", "192.0.2.1")), peer.remote);
  rte_mbuf* out = rig.pool.packet(ipv4_packet("192.0.2.1", "10.8.0.2"));
  rig.path->outer_burst({&in, 1}, rig.now);
  rig.path->inner_burst({&out, 1}, rig.now);
  EXPECT_EQ(rig.pool.in_use(), 2u);
  rig.path.reset();
  EXPECT_EQ(rig.pool.in_use(), 0u);
}

TEST(Route, MtuIsTheLargestThatGoes) {
  PathRig rig;
  rig.connect(0, [](auto& session, auto&) { session.tun_mtu = 1300; });
  rig.from_tun(ipv4_packet("192.0.2.1", "10.8.0.2", 1280));
  EXPECT_EQ(rig.sent_outer().size(), 1u);
  rig.from_tun(ipv4_packet("192.0.2.1", "10.8.0.2", 1281));
  EXPECT_EQ(rig.drops(DropReason::inner_too_big), 1u);
}

TEST(Mss, ClampedBothWays) {
  PathRig rig;
  Peer peer = rig.connect(0, [](auto& session, auto&) { session.mss_limit = 1492; });
  Bytes options = {2, 4, 0xFF, 0xFF};
  auto mss_of = [](const Bytes& packet) { return packet[packet.size() - 2] << 8 | packet[packet.size() - 1]; };
  for (auto [version, mss] : {std::pair{4, 1400}, std::pair{6, 1380}}) {
    Bytes syn = testing::tcp_syn(static_cast<uint8_t>(version), options);
    rig.from_peer(peer, syn);
    Bytes received = rig.sent_tun().at(0);
    EXPECT_EQ(mss_of(received), mss);
    EXPECT_EQ(testing::tcp_checksum(received), 0);

    // The same SYN towards the client: addresses exchanged, which leaves the checksum as it is.
    size_t address = version == 4 ? 4 : 16, at = version == 4 ? 12 : 8;
    std::swap_ranges(syn.begin() + static_cast<ptrdiff_t>(at), syn.begin() + static_cast<ptrdiff_t>(at + address),
                     syn.begin() + static_cast<ptrdiff_t>(at + address));
    rig.from_tun(syn);
    auto opened = peer.open(rig.sent_outer().at(0).bytes);
    ASSERT_TRUE(opened);
    EXPECT_EQ(mss_of(opened->inner), mss);
    EXPECT_EQ(testing::tcp_checksum(opened->inner), 0);
  }
  EXPECT_EQ(rig.counter(abi::Counter::mss_clamped), 4u);
}

TEST(Mss, NotClampedWhereItIsNotWanted) {
  PathRig rig;
  Peer off = rig.connect(0);
  Bytes syn = testing::tcp_syn(4, {2, 4, 0xFF, 0xFF});
  rig.from_peer(off, syn);
  EXPECT_EQ(rig.sent_tun().at(0), syn);

  Peer on = rig.connect(1, [](auto& session, auto&) {
    session.mss_limit = 1492;
    session.ip4 = {10, 8, 0, 9};
  });
  Bytes fragment = testing::tcp_syn(4, {2, 4, 0xFF, 0xFF});
  fragment[15] = 9;  // source 10.8.0.9
  fragment[7] = 10;  // fragment offset: no TCP header in it
  rig.from_peer(on, fragment);
  EXPECT_EQ(rig.sent_tun().at(0), fragment);
  EXPECT_EQ(rig.counter(abi::Counter::mss_clamped), 0u);
}

}  // namespace
}  // namespace culvert
