// Finding the session, following its peer, and what the tunnel itself says.
#include <gtest/gtest.h>

#include "tests/unit/support/path_rig.h"

namespace culvert {
namespace {

using abi::DropReason;
using abi::EventKind;
using testing::Bytes;
using testing::endpoint;
using testing::ipv4_packet;
using testing::PathRig;
using testing::Peer;

const Bytes kInner = ipv4_packet("10.8.0.2", "192.0.2.1");

TEST(Classify, SortsControlPackets) {
  PathRig rig;
  for (unsigned opcode = 0; opcode < 32; ++opcode)
    rig.from_outer(Bytes(14, static_cast<uint8_t>(opcode << 3)), endpoint("192.0.2.77", 5));
  auto opcodes = [](const std::vector<abi::PacketMessage>& punts) {
    std::vector<int> all;
    for (const auto& punt : punts) all.push_back(punt.data[0] >> 3);
    return all;
  };
  EXPECT_EQ(opcodes(rig.punts_new()), (std::vector<int>{7, 10}));
  EXPECT_EQ(opcodes(rig.punts_known()), (std::vector<int>{3, 4, 5, 8, 11}));
  EXPECT_EQ(rig.drops(DropReason::outer_unknown_opcode), 32u - 9u);
  EXPECT_EQ(rig.drops(DropReason::outer_too_short), 2u) << "data packets of 14 bytes";
}

TEST(Classify, SmallestPacketOfEachOpcode) {
  struct Case {
    unsigned opcode;
    size_t smallest;
  };
  for (Case c : {Case{3, 14}, Case{4, 14}, Case{5, 10}, Case{6, 21}, Case{7, 14}, Case{8, 14}, Case{9, 24},
                 Case{10, 14}, Case{11, 14}}) {
    for (size_t length = 1; length < 30; ++length) {
      PathRig rig;
      rig.from_outer(Bytes(length, static_cast<uint8_t>(c.opcode << 3)), endpoint("192.0.2.77", 5));
      EXPECT_EQ(rig.drops(DropReason::outer_too_short), length < c.smallest) << c.opcode << " " << length;
    }
  }
}

TEST(Classify, PuntsCarryPacketAndAddresses) {
  PathRig rig;
  Bytes packet(abi::kMaxControlPacket);
  for (size_t i = 0; i < packet.size(); ++i) packet[i] = static_cast<uint8_t>(i);
  packet[0] = 0x38;
  rig.from_outer(packet, endpoint("2001:db8::7", 5), 3);
  auto punts = rig.punts_new();
  ASSERT_EQ(punts.size(), 1u);
  EXPECT_TRUE(std::ranges::equal(punts[0].bytes(), packet));
  EXPECT_EQ(punts[0].remote, endpoint("2001:db8::7", 5));
  EXPECT_EQ(punts[0].local, endpoint("203.0.113.1", 1194));
  EXPECT_EQ(punts[0].port, 3);
  EXPECT_EQ(rig.counter(abi::Counter::punted_packets), 1u);
}

TEST(Classify, AFloodOfResetsLeavesRoomForKnownPeers) {
  PathRig rig;
  for (uint64_t i = 0; i < abi::PacketRing::kCapacity + 100; ++i)
    rig.from_outer(Bytes(50, 0x38), endpoint("192.0.2.77", 5));
  EXPECT_EQ(rig.drops(DropReason::punt_ring_full), 100u);
  rig.from_outer(Bytes(50, 0x20), endpoint("192.0.2.78", 5));
  EXPECT_EQ(rig.punts_known().size(), 1u);
}

TEST(Classify, AFloodOfOtherControlPacketsLeavesRoomForSessions) {
  PathRig rig;
  Peer peer = rig.connect(0);
  constexpr uint64_t kFlood = abi::PacketRing::kCapacity + 100;
  for (uint64_t i = 0; i < kFlood; ++i)
    rig.from_outer(Bytes(50, 0x28), endpoint("192.0.2.77", static_cast<uint16_t>(1 + i)));
  EXPECT_EQ(rig.drops(DropReason::punt_ring_full), kFlood - abi::PacketRing::kCapacity / 2) << "half of it is enough";
  rig.from_outer(Bytes(50, 0x21), peer.remote);
  auto punts = rig.punts_known();
  ASSERT_EQ(punts.size(), abi::PacketRing::kCapacity / 2 + 1);
  EXPECT_EQ(punts.back().remote, peer.remote);
}

TEST(Classify, SessionsMayFillTheWholeRing) {
  PathRig rig;
  Peer peer = rig.connect(0);
  for (uint64_t i = 0; i < abi::PacketRing::kCapacity + 1; ++i) rig.from_outer(Bytes(50, 0x21), peer.remote);
  EXPECT_EQ(rig.drops(DropReason::punt_ring_full), 1u);
  EXPECT_EQ(rig.punts_known().size(), abi::PacketRing::kCapacity);
}

TEST(FindSession, PacketsWithoutPeerIdByAddress) {
  PathRig rig;
  Peer v1 = rig.connect(0, [](auto& session, auto&) { session.format = abi::DataFormat::kV1; });
  Peer none = rig.connect(1);
  none.peer_id = abi::kNoPeerId;
  rig.from_peer(v1, kInner);
  rig.from_peer(none, ipv4_packet("10.8.0.3", "192.0.2.1"));
  EXPECT_EQ(rig.sent_tun().size(), 2u);
  // From elsewhere nobody knows whose they are: no float without peer-id.
  rig.from_outer(v1.seal(kInner), endpoint("198.51.100.99", 4000));
  rig.from_outer(v1.seal(kInner), endpoint("198.51.100.1", 4001));
  EXPECT_EQ(rig.drops(DropReason::session_unknown_address), 2u);
}

TEST(FindSession, AnotherTransportOrPortIsRefused) {
  PathRig rig;
  Peer peer = rig.connect(0);
  rig.from_outer(peer.seal(kInner), peer.remote, 1);
  rig.from_outer(peer.seal(kInner), endpoint("198.51.100.1", 4000, abi::Transport::kTcp));
  EXPECT_EQ(rig.drops(DropReason::session_wrong_transport), 2u);

  Peer tcp = rig.connect(1, [](auto& session, auto&) {
    session.remote.transport = abi::Transport::kTcp;
    session.remote.stream = 7;
  });
  rig.from_peer(tcp, ipv4_packet("10.8.0.3", "192.0.2.1"));
  EXPECT_EQ(rig.sent_tun().size(), 1u);
  tcp.remote.stream = 8;
  rig.from_peer(tcp, ipv4_packet("10.8.0.3", "192.0.2.1"));
  EXPECT_EQ(rig.drops(DropReason::session_wrong_transport), 3u) << "another connection";
}

TEST(FollowPeer, AnAuthenticPacketMovesTheSession) {
  PathRig rig;
  Peer peer = rig.connect(0);
  rig.from_peer(peer, kInner);
  rig.events();
  abi::Endpoint elsewhere = endpoint("2001:db8::99", 1024);
  rig.from_outer(peer.seal(kInner), elsewhere);
  EXPECT_EQ(rig.sent_tun().size(), 2u);
  EXPECT_EQ(rig.counter(abi::Counter::floats), 1u);
  auto events = rig.events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, EventKind::kFloated);
  EXPECT_EQ(events[0].session, peer.session);
  EXPECT_EQ(events[0].endpoint, elsewhere);
  EXPECT_EQ(events[0].local, endpoint("203.0.113.1", 1194));
  abi::Endpoint recorded;
  ASSERT_TRUE(rig.record(0).remote.read(recorded));
  EXPECT_EQ(recorded, elsewhere);
  rig.from_tun(ipv4_packet("192.0.2.1", "10.8.0.2"));
  EXPECT_EQ(rig.sent_outer().at(0).to.remote, elsewhere);
}

TEST(FollowPeer, WhatIsSentComesFromTheAddressThatThePeerTalksTo) {
  PathRig rig;
  Peer peer = rig.connect(0);
  rte_mbuf* packet = rig.outer_packet(peer.seal(kInner), endpoint("198.51.100.99", 1024));
  meta(packet).local = endpoint("203.0.113.2", 1194);
  rig.path->outer_burst({&packet, 1}, rig.now);
  rig.from_tun(ipv4_packet("192.0.2.1", "10.8.0.2"));
  EXPECT_EQ(rig.sent_outer().at(0).to.local, endpoint("203.0.113.2", 1194));
}

TEST(FollowPeer, ThereAndBackInOneBurst) {
  PathRig rig;
  Peer peer = rig.connect(0);
  abi::Endpoint elsewhere = endpoint("198.51.100.99", 1024);
  std::array<rte_mbuf*, 2> burst = {rig.outer_packet(peer.seal(kInner), elsewhere),
                                    rig.outer_packet(peer.seal(kInner), peer.remote)};
  rig.path->outer_burst(burst, rig.now);
  EXPECT_EQ(rig.counter(abi::Counter::floats), 2u);
  rig.from_tun(ipv4_packet("192.0.2.1", "10.8.0.2"));
  EXPECT_EQ(rig.sent_outer().at(0).to.remote, peer.remote) << "where the last packet came from";
  EXPECT_EQ(rig.sent_tun().size(), 2u);
}

TEST(FollowPeer, NothingElseDoes) {
  PathRig rig;
  Peer peer = rig.connect(0);
  Bytes first = peer.seal(kInner);
  rig.from_outer(first, peer.remote);
  abi::Endpoint elsewhere = endpoint("198.51.100.99", 1024);
  Bytes forged = peer.seal(kInner);
  forged.back() ^= 1;
  rig.from_outer(forged, elsewhere);
  rig.from_outer(first, elsewhere);  // replayed
  EXPECT_EQ(rig.counter(abi::Counter::floats), 0u);
  rig.from_tun(ipv4_packet("192.0.2.1", "10.8.0.2"));
  EXPECT_EQ(rig.sent_outer().at(0).to.remote, peer.remote);
}

TEST(FollowPeer, RefusedWhereAnotherSessionLivesOrFloatIsOff) {
  PathRig rig;
  Peer peer = rig.connect(0), other = rig.connect(1);
  Peer fixed = rig.connect(2, [](auto& session, auto&) { session.flags = 0; });
  rig.from_outer(peer.seal(kInner), other.remote);
  rig.from_outer(fixed.seal(ipv4_packet("10.8.0.4", "192.0.2.1")), endpoint("198.51.100.99", 1));
  EXPECT_EQ(rig.drops(DropReason::float_refused), 2u);
  rig.from_outer(peer.seal(kInner), endpoint("10.8.0.3", 1));
  EXPECT_EQ(rig.drops(DropReason::outer_inner_source), 1u) << "into the tunnel itself";
  EXPECT_TRUE(rig.sent_tun().empty());
  rig.from_tun(ipv4_packet("192.0.2.1", "10.8.0.3"));
  EXPECT_TRUE(other.open(rig.sent_outer().at(0).bytes));
}

TEST(TunnelMessages, PingsAndOccEndHere) {
  PathRig rig;
  Peer peer = rig.connect(0);
  Bytes ping(wire::kPingMagic.begin(), wire::kPingMagic.end());
  Bytes occ(wire::kOccMagic.begin(), wire::kOccMagic.end());
  occ.push_back(0);  // OCC_REQUEST
  rig.from_peer(peer, ping);
  rig.from_peer(peer, occ);
  rig.events();
  EXPECT_EQ(rig.counter(abi::Counter::pings_received), 1u);
  EXPECT_EQ(rig.counter(abi::Counter::occ_received), 1u);
  EXPECT_TRUE(rig.sent_tun().empty());

  occ.back() = wire::kOccExit;
  rig.from_peer(peer, occ);
  auto events = rig.events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, EventKind::kPeerExit);
  EXPECT_TRUE(rig.dropped().empty());

  ping.push_back(0);  // longer than a ping
  occ.resize(16);     // no OCC opcode
  rig.from_peer(peer, ping);
  rig.from_peer(peer, occ);
  EXPECT_EQ(rig.drops(DropReason::inner_malformed), 2u);
}

}  // namespace
}  // namespace culvert
