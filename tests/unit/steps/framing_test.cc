// The framing of compression, in both directions.
#include <gtest/gtest.h>

#include "tests/unit/steps/end_of_buffer.h"
#include "tests/unit/support/path_rig.h"

namespace culvert {
namespace {

using abi::DropReason;
using abi::Framing;
using testing::Bytes;
using testing::ipv4_packet;
using testing::ipv6_packet;
using testing::PathRig;
using testing::Peer;

/// What the peer's compression makes of a packet (compstub.c), written down once more.
Bytes framed(Framing framing, Bytes packet) {
  switch (framing) {
    case Framing::kNone:
      break;
    case Framing::kStubV2:
      if (packet.at(0) == 0x50) packet.insert(packet.begin(), {0x50, 0x00});
      break;
    case Framing::kStub:
      packet.push_back(packet.at(0));
      packet[0] = 0xFB;
      break;
    case Framing::kLzoStub:
      packet.insert(packet.begin(), 0xFA);
      break;
  }
  return packet;
}

class FramingKinds : public ::testing::TestWithParam<std::tuple<Framing, abi::Cipher>> {
 protected:
  Framing framing = std::get<0>(GetParam());
  PathRig rig;
  Peer peer = rig.connect(0, [this](auto& session, auto& key) {
    session.framing = framing;
    session.ping_interval = 10;
    session.mss_limit = 1492;
    key.cipher = std::get<1>(GetParam());
    if (!abi::is_cbc(key.cipher)) return;
    key.format = abi::KeyFormat::kCbcHmac;
    key.digest = abi::Digest::kSha1;
  });
};

TEST_P(FramingKinds, BothWays) {
  for (const Bytes& inner : {ipv4_packet("10.8.0.2", "192.0.2.1", 77), ipv6_packet("fd00::2", "2001:db8::1", 1200)}) {
    rig.from_peer(peer, framed(framing, inner));
    EXPECT_EQ(rig.sent_tun(), std::vector<Bytes>{inner});
  }
  for (const Bytes& inner : {ipv4_packet("192.0.2.1", "10.8.0.2", 77), ipv6_packet("2001:db8::1", "fd00::2", 1200)}) {
    rig.from_tun(inner);
    auto sent = rig.sent_outer();
    ASSERT_EQ(sent.size(), 1u);
    auto opened = peer.open(sent[0].bytes);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->inner, framed(framing, inner));
  }
  EXPECT_TRUE(rig.dropped().empty());
}

TEST_P(FramingKinds, KeepalivesAreFramedLikeEverything) {
  rig.from_peer(peer, framed(framing, Bytes(wire::kPingMagic.begin(), wire::kPingMagic.end())));
  EXPECT_EQ(rig.counter(abi::Counter::pings_received), 1u);
  rig.now += 20 * PathRig::kSecond;
  rig.round();
  auto sent = rig.sent_outer();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(peer.open(sent[0].bytes)->inner, framed(framing, Bytes(wire::kPingMagic.begin(), wire::kPingMagic.end())));
}

TEST_P(FramingKinds, WhatIsCompressedIsDropped) {
  size_t sent = 0;
  for (uint8_t first : {0x66, 0x69, 0xFA, 0xFB, 0x50}) {
    bool own = (first == 0xFA && framing == Framing::kLzoStub) || (first == 0xFB && framing == Framing::kStub);
    if (own) continue;
    rig.from_peer(peer, Bytes(40, first));
    ++sent;
  }
  EXPECT_EQ(rig.drops(DropReason::inner_compressed), sent);
  EXPECT_EQ(rig.dropped().size(), 1u);
}

TEST_P(FramingKinds, ShortestPackets) {
  for (uint8_t first : {0x66, 0xFA, 0xFB, 0x50, 0x45})
    for (size_t length : {0, 1, 2}) rig.from_peer(peer, Bytes(length, first));
  rig.from_peer(peer, Bytes{0x50, 0x00});
  rig.from_peer(peer, framed(framing, ipv4_packet("10.8.0.2", "192.0.2.1")));
  EXPECT_EQ(rig.sent_tun().size(), 1u);
}

INSTANTIATE_TEST_SUITE_P(All, FramingKinds,
                         ::testing::Combine(::testing::Values(Framing::kNone, Framing::kStubV2, Framing::kStub,
                                                              Framing::kLzoStub),
                                            ::testing::Values(abi::Cipher::kAes256Gcm, abi::Cipher::kAes128Cbc)));

TEST(FramingStep, EscapesOnlyWhatLooksLikeItsOwnMark) {
  PathRig rig;
  Peer peer = rig.connect(0, [](auto& session, auto&) { session.framing = Framing::kStubV2; });
  Bytes inner = ipv4_packet("10.8.0.2", "192.0.2.1");
  Bytes escaped = {0x50, 0x00};
  escaped.insert(escaped.end(), inner.begin(), inner.end());
  rig.from_peer(peer, escaped);
  EXPECT_EQ(rig.sent_tun(), std::vector<Bytes>{inner});
}

TEST(FramingStep, BetweenTwoSessionsOfDifferentKind) {
  PathRig rig;
  auto join = [&](uint32_t id, Framing framing) {
    return rig.connect(id, [framing](auto& session, auto&) {
      session.framing = framing;
      session.flags |= abi::session_flag::kClientToClient;
    });
  };
  Peer one = join(0, Framing::kStub), two = join(1, Framing::kLzoStub), three = join(2, Framing::kNone);
  Bytes inner = ipv4_packet("10.8.0.2", "10.8.0.3", 333);
  rig.from_peer(one, framed(Framing::kStub, inner));
  auto sent = rig.sent_outer();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(two.open(sent[0].bytes)->inner, framed(Framing::kLzoStub, inner));
  inner = ipv4_packet("10.8.0.3", "10.8.0.4", 333);
  rig.from_peer(two, framed(Framing::kLzoStub, inner));
  sent = rig.sent_outer();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(three.open(sent[0].bytes)->inner, inner);
}

TEST(FramingStep, NothingIsReadBehindThePacket) {
  struct Case {
    Framing framing;
    Bytes inner;
    Bytes behind;  // what would make another packet of it
    DropReason reason;
  };
  for (const Case& c : {Case{Framing::kStubV2, {0x50}, {0x00}, DropReason::inner_compressed},
                        Case{Framing::kStubV2, {}, {0x50, 0x00}, DropReason::inner_empty},
                        Case{Framing::kStub, {}, {0xFB, 0x00}, DropReason::inner_empty},
                        Case{Framing::kLzoStub, {}, {0xFA, 0x00}, DropReason::inner_empty}}) {
    PathRig rig;
    Peer peer = rig.connect(0, [&](auto& session, auto&) { session.framing = c.framing; });
    rte_mbuf* packet = rig.outer_packet(peer.seal(c.inner), peer.remote);
    std::ranges::copy(c.behind, rte_pktmbuf_mtod_offset(packet, uint8_t*, packet->data_len));
    rig.path->outer_burst({&packet, 1}, rig.now);
    EXPECT_EQ(rig.drops(c.reason), 1u) << static_cast<int>(c.framing) << " " << c.inner.size();
    EXPECT_EQ(rig.dropped().size(), 1u);
  }
}

TEST(FramingStep, NothingIsWrittenBehindTheBuffer) {
  for (uint16_t room : {0, 1}) {
    PathRig rig;
    rig.connect(0, [](auto& session, auto&) {
      session.framing = Framing::kStub;
      session.tun_mtu = 9000;
    });
    Bytes inner = ipv4_packet("192.0.2.1", "10.8.0.2", 1000);
    rte_mbuf* packet = testing::packet_near_the_end(rig.pool, inner, room);
    rig.path->inner_burst({&packet, 1}, rig.now);
    rig.path->flush();
    EXPECT_EQ(rig.sent_outer().size(), room);
    EXPECT_EQ(rig.drops(DropReason::no_headroom), 1u - room);
  }
}

TEST(FramingStep, IsForgottenWithItsSession) {
  PathRig rig;
  Peer peer = rig.connect(0, [](auto& session, auto&) { session.framing = Framing::kLzoStub; });
  abi::InstallSession settings = PathRig::settings(0);
  rig.install(peer.session, settings);  // the same session without framing
  Bytes inner = ipv4_packet("10.8.0.2", "192.0.2.1");
  rig.from_peer(peer, inner);
  EXPECT_EQ(rig.sent_tun(), std::vector<Bytes>{inner});
}

}  // namespace
}  // namespace culvert
