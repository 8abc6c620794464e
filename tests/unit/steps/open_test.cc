// Opening data packets: what must be refused, and what a refusal must not change.
#include <gtest/gtest.h>

#include "dataplane/session/apply.h"
#include "dataplane/steps/steps.h"
#include "tests/unit/steps/one_session.h"
#include "tests/unit/support/path_rig.h"

namespace culvert {
namespace {

using abi::Cipher;
using abi::CommandKind;
using abi::DropReason;
using abi::EventKind;
using testing::Bytes;
using testing::endpoint;
using testing::ipv4_packet;
using testing::PathRig;
using testing::Peer;

const Bytes kLongInner = ipv4_packet("10.8.0.2", "192.0.2.1", 100);

struct Variant {
  Cipher cipher;
  abi::DataFormat format;
  abi::Digest digest = abi::Digest::kNone;

  void apply(abi::InstallSession& session, abi::InstallKey& key) const {
    session.format = format;
    key.cipher = cipher;
    key.digest = digest;
    if (abi::is_cbc(cipher)) key.format = abi::KeyFormat::kCbcHmac;
  }
};

class OpenVariants : public ::testing::TestWithParam<Variant> {};

TEST_P(OpenVariants, OpensWhatThePeerSealed) {
  PathRig rig;
  Peer peer = rig.connect(3, [](auto& session, auto& key) { GetParam().apply(session, key); });
  Bytes inner = ipv4_packet("10.8.0.5", "192.0.2.1", 777);
  rig.from_peer(peer, inner);
  EXPECT_EQ(rig.sent_tun(), std::vector<Bytes>{inner});
  EXPECT_EQ(rig.counter(abi::Counter::opened_packets), 1u);
  EXPECT_TRUE(rig.dropped().empty());
}

TEST_P(OpenVariants, SealsWhatThePeerOpens) {
  PathRig rig;
  Peer peer = rig.connect(3, [](auto& session, auto& key) { GetParam().apply(session, key); });
  for (uint32_t i = 1; i <= 3; ++i) {
    Bytes inner = ipv4_packet("192.0.2.1", "10.8.0.5", 100 * i);
    rig.from_tun(inner);
    auto sent = rig.sent_outer();
    ASSERT_EQ(sent.size(), 1u);
    auto opened = peer.open(sent[0].bytes);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->inner, inner);
    EXPECT_EQ(opened->packet_id, i);
    EXPECT_EQ(sent[0].to.remote, peer.remote);
    EXPECT_EQ(sent[0].to.local, endpoint("203.0.113.1", 1194));
    if (GetParam().format == abi::DataFormat::kV2) {
      EXPECT_EQ(sent[0].bytes[3], 3) << "the peer's peer-id";
    }
  }
}

TEST_P(OpenVariants, EveryFlippedBitIsRefused) {
  PathRig rig;
  Peer peer = rig.connect(3, [](auto& session, auto& key) { GetParam().apply(session, key); });
  Bytes packet = peer.seal(ipv4_packet("10.8.0.5", "192.0.2.1", 4));
  for (size_t bit = 0; bit < packet.size() * 8; ++bit) {
    Bytes changed = packet;
    changed[bit / 8] = static_cast<uint8_t>(changed[bit / 8] ^ 1 << bit % 8);
    rig.from_outer(changed, peer.remote);
    rig.punts_known();  // a flipped opcode may make a control packet of it
    rig.punts_new();
  }
  // DATA_V1 does not authenticate its first byte (crypto.c), so key-id and opcode are caught by other means.
  EXPECT_TRUE(rig.sent_tun().empty());
  rig.from_outer(packet, peer.remote);
  EXPECT_EQ(rig.sent_tun().size(), 1u) << "no flipped packet may have moved the replay window";
}

TEST_P(OpenVariants, EveryTruncationIsRefused) {
  PathRig rig;
  Peer peer = rig.connect(3, [](auto& session, auto& key) { GetParam().apply(session, key); });
  Bytes packet = peer.seal(ipv4_packet("10.8.0.5", "192.0.2.1", 4));
  for (size_t length = 0; length < packet.size(); ++length) {
    rig.from_outer(std::span(packet).first(length), peer.remote);
  }
  EXPECT_TRUE(rig.sent_tun().empty());
  rig.from_outer(packet, peer.remote);
  EXPECT_EQ(rig.sent_tun().size(), 1u);
}

INSTANTIATE_TEST_SUITE_P(All, OpenVariants,
                         ::testing::Values(Variant{Cipher::kAes128Gcm, abi::DataFormat::kV2},
                                           Variant{Cipher::kAes192Gcm, abi::DataFormat::kV2},
                                           Variant{Cipher::kAes256Gcm, abi::DataFormat::kV2},
                                           Variant{Cipher::kChacha20Poly1305, abi::DataFormat::kV2},
                                           Variant{Cipher::kAes256Gcm, abi::DataFormat::kV1},
                                           Variant{Cipher::kChacha20Poly1305, abi::DataFormat::kV1},
                                           Variant{Cipher::kAes128Cbc, abi::DataFormat::kV2, abi::Digest::kSha1},
                                           Variant{Cipher::kAes192Cbc, abi::DataFormat::kV2, abi::Digest::kSha224},
                                           Variant{Cipher::kAes256Cbc, abi::DataFormat::kV2, abi::Digest::kSha256},
                                           Variant{Cipher::kAes256Cbc, abi::DataFormat::kV2, abi::Digest::kSha384},
                                           Variant{Cipher::kAes256Cbc, abi::DataFormat::kV2, abi::Digest::kSha512},
                                           Variant{Cipher::kAes128Cbc, abi::DataFormat::kV1, abi::Digest::kSha1},
                                           Variant{Cipher::kAes256Cbc, abi::DataFormat::kV1, abi::Digest::kSha512}));

TEST(Open, FormatsMixedInOneBurst) {
  PathRig rig;
  std::vector<rte_mbuf*> burst;
  std::vector<Bytes> expected;
  for (uint32_t id = 0; id < 20; ++id) {
    Peer peer = rig.connect(id, [id](auto& session, auto& key) {
      Variant variant{id % 2 == 0 ? Cipher::kAes256Gcm : Cipher::kAes128Cbc,
                      id % 3 == 0 ? abi::DataFormat::kV1 : abi::DataFormat::kV2,
                      id % 2 == 0 ? abi::Digest::kNone : abi::Digest::kSha256};
      variant.apply(session, key);
    });
    Bytes inner = ipv4_packet("10.8.0." + std::to_string(id + 2), "192.0.2.1", 10 * id);
    Bytes packet = peer.seal(inner);
    if (id == 7 || id == 10) packet.back() ^= 1;
    if (id == 9) packet.resize(30);  // long enough for its header, too short for CBC
    if (id == 11) packet.resize(packet.size() - 1);
    if (id != 7 && (id < 9 || id > 11)) expected.push_back(inner);
    burst.push_back(rig.outer_packet(packet, peer.remote));
  }
  rig.path->outer_burst(burst, rig.now);
  rig.path->flush();
  EXPECT_EQ(rig.sent_tun(), expected);
  EXPECT_EQ(rig.drops(DropReason::aead_bad_tag), 3u);
  EXPECT_EQ(rig.drops(DropReason::outer_too_short), 1u);
}

TEST(Open, KeysOfOtherSessionsOpenNothing) {
  PathRig rig;
  Peer one = rig.connect(0), two = rig.connect(1);
  one.peer_id = two.peer_id;
  rig.from_outer(one.seal(kLongInner), two.remote);
  EXPECT_EQ(rig.drops(DropReason::aead_bad_tag), 1u);
  EXPECT_EQ(rig.record(1).drops.load(), 0u);
  rig.round();
  EXPECT_EQ(rig.record(1).drops.load(), 1u) << "counted for the session as well";
}

TEST(Open, SendKeyDoesNotOpen) {
  PathRig rig;
  rig.connect(0);
  rig.from_tun(ipv4_packet("192.0.2.1", "10.8.0.2"));
  Bytes own = rig.sent_outer().at(0).bytes;
  rig.from_outer(own, PathRig::settings(0).remote);  // reflected
  EXPECT_EQ(rig.drops(DropReason::aead_bad_tag), 1u);
}

TEST(Open, ForgeriesAreReportedOnceAndThenTheKeyOpensNothing) {
  testing::PacketPool pool;
  testing::LinkMemory link(4);
  auto aead = *aead::make_engine();
  dataplane::PathContext context(link.view(), 0, pool.get(), *aead, *session::Table::make(link.view()));
  session::Session& session = context.table->create({0, 1}, 0, 1);
  ASSERT_TRUE(context.table->make_key(session, 2));
  session::ReceiveKey& key = *session.receive.keys[2];
  key.cipher = Cipher::kAes256Gcm;
  aead->expand(key.cipher, {}, *key.aead);

  auto forge = [&] {
    steps::Burst burst(context.tally);
    steps::Packet& packet = burst.add(pool.packet(Bytes(60, 0x4A)));
    packet.opcode = wire::Opcode::kDataV2;
    packet.key_id = 2;
    packet.session = &session;
    steps::open(burst, context);
    EXPECT_TRUE(burst.empty());
  };
  auto drops = [&](DropReason reason) { return context.tally.drops[static_cast<size_t>(reason)]; };

  key.forgeries = session::kForgeriesNear - 10;
  for (int i = 0; i < 10; ++i) forge();
  EXPECT_EQ(session.pending.near_limit, 0);
  forge();
  EXPECT_EQ(session.pending.near_limit, 1 << 2);
  session.pending.near_limit = 0;
  forge();
  EXPECT_EQ(session.pending.near_limit, 0) << "said once";

  key.forgeries = session::kForgeriesRefuse - 10;
  for (int i = 0; i < 11; ++i) forge();
  EXPECT_EQ(drops(DropReason::aead_key_exhausted), 0u);
  EXPECT_EQ(drops(DropReason::aead_bad_tag), 23u);
  forge();
  EXPECT_EQ(drops(DropReason::aead_key_exhausted), 1u);
}

TEST(Open, AKeyThatHasOpenedMuchIsReportedOnce) {
  Peer peer;
  peer.key = PathRig::key(2, 1);
  testing::OneSession one(peer.key);
  session::Session& session = one.session();
  ASSERT_TRUE(session.receive.keys[2]);
  session.receive.keys[2]->blocks = session::kGcmNearLimit - 20;  // and packets count as well
  for (int i = 1; i <= 5; ++i) {
    steps::Burst burst(one.context.tally);
    one.add(burst, peer.seal(kLongInner));  // of 8 blocks
    steps::open(burst, one.context);
    burst.each(one.context, steps::check_replay);
    ASSERT_EQ(burst.size(), 1u);
    rte_pktmbuf_free(burst.packets()[0].mbuf);
    EXPECT_EQ(session.pending.near_limit, i == 3 ? 1 << 2 : 0) << i;
    session.pending.near_limit = 0;
  }
}

TEST(Open, ABadPacketDoesNotDisturbItsBurst) {
  PathRig rig;
  Peer peer = rig.connect(0);
  std::vector<rte_mbuf*> burst;
  std::vector<Bytes> expected;
  for (uint32_t i = 0; i < 200; ++i) {
    Bytes inner = ipv4_packet("10.8.0.2", "192.0.2.1", 20 + i);
    Bytes packet = peer.seal(inner);
    switch (i % 5) {
      case 0:
        expected.push_back(inner);
        break;
      case 1:
        packet[20] ^= 1;
        break;  // tag
      case 2:
        packet.resize(10);
        break;  // too short
      case 3:
        packet[0] = 0xFF;
        break;  // no opcode
      case 4:
        packet[1] = 0xFE;
        break;  // no such session
    }
    burst.push_back(rig.outer_packet(packet, peer.remote));
  }
  rig.path->outer_burst(burst, rig.now);
  rig.path->flush();
  EXPECT_EQ(rig.sent_tun(), expected) << "the good ones, in their order";
  for (DropReason reason : {DropReason::aead_bad_tag, DropReason::outer_too_short, DropReason::outer_unknown_opcode,
                            DropReason::session_unknown_peer_id})
    EXPECT_EQ(rig.drops(reason), 40u);
}

TEST(Replay, TheSamePacketTwiceInOneBurstPassesOnce) {
  PathRig rig;
  Peer peer = rig.connect(0);
  Bytes packet = peer.seal(kLongInner);
  std::array<rte_mbuf*, 2> burst = {rig.outer_packet(packet, peer.remote), rig.outer_packet(packet, peer.remote)};
  rig.path->outer_burst(burst, rig.now);
  rig.path->flush();
  EXPECT_EQ(rig.sent_tun().size(), 1u);
  EXPECT_EQ(rig.drops(DropReason::replay_duplicate), 1u);
}

TEST(Replay, ForgedPacketIdsDoNotMoveTheWindow) {
  PathRig rig;
  Peer peer = rig.connect(0);
  Bytes forged = peer.seal(kLongInner, 0xFFFFFFF0);
  forged.back() ^= 1;
  rig.from_outer(forged, peer.remote);
  rig.from_outer(peer.seal(kLongInner, 1), peer.remote);
  EXPECT_EQ(rig.sent_tun().size(), 1u);
}

TEST(Replay, PacketIdZeroIsRefused) {
  PathRig rig;
  Peer peer = rig.connect(0);
  rig.from_outer(peer.seal(kLongInner, 0), peer.remote);
  EXPECT_EQ(rig.drops(DropReason::replay_too_old), 1u);
}

TEST(Replay, WindowSizeIsTheSessions) {
  for (uint32_t size : {1u, 64u, 128u, 4096u}) {
    PathRig rig;
    Peer peer = rig.connect(0, [&](auto& session, auto&) { session.replay_window = size; });
    rig.from_outer(peer.seal(kLongInner, 10000), peer.remote);
    rig.from_outer(peer.seal(kLongInner, 10000 - size), peer.remote);
    EXPECT_EQ(rig.drops(DropReason::replay_too_old), 1u) << size;
    if (size > 1) rig.from_outer(peer.seal(kLongInner, 10000 - size + 1), peer.remote);
    EXPECT_EQ(rig.sent_tun().size(), size > 1 ? 2u : 1u) << size;
  }
}

TEST(Keys, OldKeysStillOpenAfterASwitch) {
  PathRig rig;
  Peer peer = rig.connect(0);
  Peer renewed = peer;
  renewed.key = PathRig::key(1, 99);
  renewed.key.send_at_once = 0;
  renewed.key_id = 1;
  renewed.next_packet_id = 1;
  rig.install(peer.session, renewed.key);

  rig.from_peer(renewed, kLongInner);  // the peer switched first
  rig.from_peer(peer, kLongInner);     // and a late packet of the old key
  EXPECT_EQ(rig.sent_tun().size(), 2u);
  auto events = rig.events();
  ASSERT_EQ(events.size(), 2u) << "first use of either key";
  EXPECT_EQ(events[0].kind, EventKind::kKeyFirstUse);
  EXPECT_EQ(events[0].key_id, 1);
  EXPECT_EQ(events[1].key_id, 0);
  rig.from_peer(renewed, kLongInner);
  EXPECT_TRUE(rig.events().empty()) << "first use only";

  rig.from_tun(ipv4_packet("192.0.2.1", "10.8.0.2"));
  EXPECT_TRUE(peer.open(rig.sent_outer().at(0).bytes)) << "not before control says so";
  rig.with_key(CommandKind::kSendWithKey, peer.session, 1);
  rig.from_tun(ipv4_packet("192.0.2.1", "10.8.0.2"));
  auto opened = renewed.open(rig.sent_outer().at(0).bytes);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->key_id, 1);

  rig.with_key(CommandKind::kRemoveKey, peer.session, 0);
  rig.from_peer(peer, kLongInner);
  EXPECT_EQ(rig.drops(DropReason::key_unknown), 1u);
}

TEST(Keys, TheOneThatIsSentWithCanBeRemoved) {
  PathRig rig;
  Peer peer = rig.connect(0);
  rig.with_key(CommandKind::kRemoveKey, peer.session, 0);
  rig.from_tun(ipv4_packet("192.0.2.1", "10.8.0.2"));
  EXPECT_EQ(rig.drops(DropReason::key_not_ready), 1u);
  EXPECT_TRUE(rig.sent_outer().empty());
}

}  // namespace
}  // namespace culvert
