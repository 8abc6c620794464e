// Epoch data keys: packets against OpenSSL, the rules of receiving and sending, and two dataplanes that go through
// epochs over a wire that loses and reorders.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "dataplane/session/apply.h"
#include "dataplane/steps/steps.h"
#include "tests/unit/steps/one_session.h"
#include "tests/unit/support/evp_epochs.h"
#include "tests/unit/support/path_rig.h"

namespace culvert {
namespace {

using abi::Cipher;
using abi::DropReason;
using testing::Bytes;
using testing::EvpEpochs;
using testing::ipv4_packet;
using testing::PathRig;
using testing::Peer;

constexpr uint64_t id_of(uint64_t epoch, uint64_t counter) {
  return epoch << 48 | counter;
}

void make_epoch(abi::InstallKey& key, Cipher cipher) {
  key.cipher = cipher;
  key.format = abi::KeyFormat::kEpoch;
  key.first_packet_id = id_of(1, 1);
  key.replay_floor = id_of(1, 0);
}

class Epochs : public ::testing::Test {
 protected:
  explicit Epochs(session::EpochLimits limits = {}, Cipher cipher = Cipher::kAes256Gcm)
      : rig(64, limits), peer(rig.connect(0, [cipher](auto&, auto& key) { make_epoch(key, cipher); })) {}

  EvpEpochs to_gateway() const { return {peer.key.cipher, peer.key.receive.key}; }
  EvpEpochs from_gateway() const { return {peer.key.cipher, peer.key.send.key}; }
  /// True when the gateway took the packet.
  bool takes(uint64_t packet_id) {
    Bytes inner = ipv4_packet("10.8.0.2", "192.0.2.1", 100 + packet_id % 900);
    rig.from_outer(to_gateway().seal(peer.opcode(), packet_id, inner), peer.remote);
    auto sent = rig.sent_tun();
    EXPECT_TRUE(sent.empty() || sent == std::vector<Bytes>{inner});
    return !sent.empty();
  }
  /// Packet-id of the next packet that the gateway sends.
  uint64_t next_sent() {
    Bytes inner = ipv4_packet("192.0.2.1", "10.8.0.2", 64);
    rig.from_tun(inner);
    auto sent = rig.sent_outer();
    if (sent.size() != 1) return 0;
    auto opened = from_gateway().open(sent[0].bytes);
    EXPECT_TRUE(opened && opened->inner == inner);
    return opened ? opened->packet_id : 0;
  }

  PathRig rig;
  Peer peer;
};

class EpochCiphers : public Epochs, public ::testing::WithParamInterface<Cipher> {
 protected:
  EpochCiphers() : Epochs({}, GetParam()) {}
};

TEST_P(EpochCiphers, AgreesWithOpensslInBothDirections) {
  for (uint64_t epoch = 1; epoch <= 12; ++epoch) {
    for (uint64_t counter = 1; counter <= 5; ++counter) EXPECT_TRUE(takes(id_of(epoch, counter)));
    rig.round();  // the sender follows its peer, and keys ahead are made
    EXPECT_EQ(next_sent(), id_of(epoch, 1));
    EXPECT_EQ(next_sent(), id_of(epoch, 2));
  }
  EXPECT_TRUE(rig.dropped().empty());
}

TEST_P(EpochCiphers, EveryFlippedBitAndEveryTruncationIsRefused) {
  Bytes packet = to_gateway().seal(peer.opcode(), id_of(1, 7), ipv4_packet("10.8.0.2", "192.0.2.1", 4));
  for (size_t bit = 0; bit < packet.size() * 8; ++bit) {
    Bytes changed = packet;
    changed[bit / 8] = static_cast<uint8_t>(changed[bit / 8] ^ 1 << bit % 8);
    rig.from_outer(changed, peer.remote);
  }
  for (size_t length = 0; length < packet.size(); ++length)
    rig.from_outer(std::span(packet).first(length), peer.remote);
  EXPECT_TRUE(rig.sent_tun().empty());
  rig.punts_known();
  rig.punts_new();
  EXPECT_TRUE(takes(id_of(1, 1))) << "the window did not move";
}

INSTANTIATE_TEST_SUITE_P(All, EpochCiphers,
                         ::testing::Values(Cipher::kAes128Gcm, Cipher::kAes192Gcm, Cipher::kAes256Gcm,
                                           Cipher::kChacha20Poly1305));

TEST_F(Epochs, FourAheadAreReadyAndNoMore) {
  EXPECT_FALSE(takes(id_of(6, 1)));
  EXPECT_EQ(rig.drops(DropReason::epoch_unknown), 1u);
  EXPECT_TRUE(takes(id_of(5, 1)));
  EXPECT_FALSE(takes(id_of(6, 1))) << "before the sweep there are no new keys";
  rig.round();
  EXPECT_TRUE(takes(id_of(9, 1)));
  EXPECT_FALSE(takes(id_of(0, 1)));
}

TEST_F(Epochs, TheOneBeforeStaysForLatePackets) {
  EXPECT_TRUE(takes(id_of(1, 10)));
  EXPECT_TRUE(takes(id_of(3, 1)));
  EXPECT_TRUE(takes(id_of(1, 9)));
  EXPECT_FALSE(takes(id_of(1, 9))) << "each epoch has its own window";
  EXPECT_EQ(rig.drops(DropReason::replay_duplicate), 1u);
  EXPECT_FALSE(takes(id_of(2, 1))) << "skipped, so it will never be";
  EXPECT_TRUE(takes(id_of(4, 1)));
  EXPECT_FALSE(takes(id_of(1, 11))) << "two back";
  rig.round();
  EXPECT_TRUE(takes(id_of(3, 2)));
  EXPECT_TRUE(takes(id_of(4, 2)));
  EXPECT_EQ(rig.drops(DropReason::epoch_unknown), 2u);
}

TEST_F(Epochs, OneBurstOfManyEpochs) {
  std::vector<rte_mbuf*> burst;
  std::vector<Bytes> expected;
  for (uint64_t id : {id_of(1, 1), id_of(2, 1), id_of(1, 2), id_of(2, 2), id_of(1, 1), id_of(3, 1), id_of(2, 3)}) {
    Bytes inner = ipv4_packet("10.8.0.2", "192.0.2.1", id >> 48);
    burst.push_back(rig.outer_packet(to_gateway().seal(peer.opcode(), id, inner), peer.remote));
    if (burst.size() != 5) expected.push_back(inner);
  }
  rig.path->outer_burst(burst, rig.now);
  rig.path->flush();
  EXPECT_EQ(rig.sent_tun(), expected);
  EXPECT_EQ(rig.drops(DropReason::replay_duplicate), 1u);
}

TEST_F(Epochs, ForgedPacketsMoveNothing) {
  Bytes packet = to_gateway().seal(peer.opcode(), id_of(4, 1), ipv4_packet("10.8.0.2", "192.0.2.1"));
  packet.back() ^= 1;
  rig.from_outer(packet, peer.remote);
  EXPECT_EQ(rig.drops(DropReason::aead_bad_tag), 1u);
  rig.round();
  EXPECT_EQ(next_sent(), id_of(1, 1));
  EXPECT_TRUE(takes(id_of(1, 1)));
}

TEST_F(Epochs, ProgressIsRecordedWithItsEpoch) {
  EXPECT_EQ(rig.highest_seen(0), id_of(1, 0));
  takes(id_of(1, 5));
  takes(id_of(2, 3));
  takes(id_of(1, 6));
  EXPECT_EQ(rig.highest_seen(0), id_of(2, 3));
  rig.round();
  EXPECT_EQ(rig.record(0).send_reserved[0], id_of(2, 1)) << "before anything is sent in it";
  uint64_t sent = next_sent();
  EXPECT_EQ(sent, id_of(2, 1));
  uint64_t reserved = rig.record(0).send_reserved[0];
  EXPECT_GT(reserved, sent);
  EXPECT_EQ(abi::epoch_of(reserved), 2);
}

TEST_F(Epochs, TheSameKeyInstalledAgainGoesOn) {
  takes(id_of(2, 1));
  rig.round();
  EXPECT_EQ(next_sent(), id_of(2, 1));
  rig.install(peer.session, peer.key);
  EXPECT_EQ(next_sent(), id_of(2, 2));
  EXPECT_FALSE(takes(id_of(2, 1)));
}

TEST_F(Epochs, AnEpochKeyOfARestartedDataplane) {
  PathRig next;
  abi::InstallKey key = peer.key;
  Bytes secret(key.send.key.begin(), key.send.key.end());
  for (int i = 0; i < 2; ++i) secret = EvpEpochs::expand_label(secret, "datakey upd", 32);
  std::copy(secret.begin(), secret.end(), key.send.key.begin());
  key.first_packet_id = id_of(3, 65536);
  secret.assign(key.receive.key.begin(), key.receive.key.end());
  secret = EvpEpochs::expand_label(secret, "datakey upd", 32);
  std::copy(secret.begin(), secret.end(), key.receive.key.begin());
  key.replay_floor = id_of(2, 40);
  next.install(peer.session, PathRig::settings(0));
  next.install(peer.session, key);
  next.from_tun(ipv4_packet("192.0.2.1", "10.8.0.2", 64));
  auto opened = from_gateway().open(next.sent_outer().at(0).bytes);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->packet_id, id_of(3, 65536));
  auto send = [&](uint64_t id) {
    next.from_outer(to_gateway().seal(peer.opcode(), id, ipv4_packet("10.8.0.2", "192.0.2.1")), peer.remote);
    return next.sent_tun().size();
  };
  EXPECT_EQ(send(id_of(2, 40)), 0u);
  EXPECT_EQ(send(id_of(2, 10)), 0u) << "restored closed";
  EXPECT_EQ(send(id_of(1, 50)), 0u);
  EXPECT_EQ(send(id_of(2, 41)), 1u);
}

TEST(EpochKeys, OneThatIsExhaustedOpensNothing) {
  abi::InstallKey key = PathRig::key(0, 1);
  make_epoch(key, Cipher::kAes256Gcm);
  testing::OneSession one(key);
  ASSERT_TRUE(one.session().receive.keys[0]);
  one.session().receive.keys[0]->epochs->current->exhausted = true;
  for (uint64_t epoch : {1, 2}) {
    steps::Burst burst(one.context.tally);
    EvpEpochs peer{key.cipher, key.receive.key};
    Bytes sealed = peer.seal(Bytes{0x48, 0, 0, 0}, id_of(epoch, 1), ipv4_packet("10.8.0.2", "192.0.2.1"));
    one.add(burst, sealed);
    steps::open(burst, one.context);
    EXPECT_EQ(burst.size(), epoch - 1) << "the next one does";
    if (!burst.empty()) rte_pktmbuf_free(burst.packets()[0].mbuf);
  }
  EXPECT_EQ(one.context.tally.drops[static_cast<size_t>(DropReason::aead_key_exhausted)], 1u);
}

class EpochLimitsTest : public Epochs {
 protected:
  EpochLimitsTest() : Epochs({.usage = 20, .renegotiate_epoch = 4}) {}
};

TEST_F(EpochLimitsTest, TheSenderGoesOnAndAsksForAnotherKeyNearTheEnd) {
  for (uint64_t epoch = 1; epoch < 4; ++epoch) {
    for (uint64_t counter = 1; counter <= 6; ++counter) EXPECT_EQ(next_sent(), id_of(epoch, counter));  // 3 blocks each
    EXPECT_TRUE(rig.events().empty());
    rig.round();
  }
  auto events = rig.events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, abi::EventKind::kKeyNearLimit);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(abi::epoch_of(next_sent()), 4);
  rig.round();
  EXPECT_EQ(abi::epoch_of(next_sent()), 5);
  EXPECT_TRUE(rig.events().empty()) << "once";
}

TEST_F(EpochLimitsTest, ANewEpochCountsFromNothing) {
  for (uint64_t counter = 1; counter <= 6; ++counter) next_sent();
  rig.round();
  for (uint64_t counter = 1; counter <= 3; ++counter) {
    EXPECT_EQ(next_sent(), id_of(2, counter));
    rig.round();
  }
}

TEST_F(EpochLimitsTest, TheLastEpochIsTheLast) {
  auto epoch_sent = [this] {
    rig.from_tun(ipv4_packet("192.0.2.1", "10.8.0.2", 64));
    Bytes packet = rig.sent_outer().at(0).bytes;
    return packet[4] << 8 | packet[5];
  };
  peer.key.first_packet_id = id_of(0xFFFE, 1);
  peer.key.replay_floor = id_of(0xFFFE, 0);
  peer.key.send.key[0] ^= 1;
  rig.install(peer.session, peer.key);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(epoch_sent(), 0xFFFE);
  for (int second = 0; second < 3; ++second) {
    rig.round();
    for (int i = 0; i < 6; ++i) EXPECT_EQ(epoch_sent(), 0xFFFF);
  }
  EXPECT_EQ(rig.record(0).send_reserved[0] >> 48, 0xFFFFu);
}

TEST_F(EpochLimitsTest, APeerThatUsesItsKeyTooMuchIsPushed) {
  for (uint64_t counter = 1; counter <= 10; ++counter) takes(id_of(1, counter));
  rig.round();
  EXPECT_EQ(next_sent(), id_of(2, 1)) << "our epoch asks for its next one";
  rig.round();
  EXPECT_EQ(next_sent(), id_of(2, 2)) << "but not again and again";
}

TEST(EpochTunnel, TwoDataplanesThroughEpochsOverABadWire) {
  session::EpochLimits limits{.usage = 400};
  PathRig server(64, limits), client(64, limits);
  abi::InstallKey key = PathRig::key(0, 9);
  make_epoch(key, Cipher::kAes128Gcm);
  abi::InstallSession at_server = PathRig::settings(0), at_client = PathRig::settings(0);
  at_client.remote = testing::endpoint("203.0.113.1", 1194);
  // At the client, everything behind the tunnel is the session's, and its own address is the TUN's.
  at_client.ip4 = {};
  at_client.ip6 = {};
  server.install({0, 1}, at_server);
  client.install({0, 1}, at_client);
  client.route(abi::CommandKind::kAddRoute, {0, 1}, "192.0.2.0", 24);
  server.install({0, 1}, key);
  std::swap(key.send, key.receive);
  client.install({0, 1}, key);

  // A packet may be overtaken by what is sent up to eight packets later; late ones of the epoch before must pass as
  // well.
  std::mt19937 random(2027);
  using Wire = std::multimap<uint64_t, Bytes>;  // by when they arrive
  Wire to_server, to_client;
  uint64_t clock = 0;
  auto onto = [&](Wire& wire, std::vector<PathRig::Sent> packets, uint64_t& count) {
    for (auto& packet : packets) {
      if (random() % 10 == 0) continue;  // lost
      ++count;
      wire.emplace(++clock + random() % 16, packet.bytes);
    }
  };
  auto off = [&](Wire& wire, PathRig& rig, const abi::Endpoint& from, uint64_t until) {
    for (; !wire.empty() && wire.begin()->first <= until; wire.erase(wire.begin()))
      rig.from_outer(wire.begin()->second, from);
  };
  uint64_t up = 0, down = 0, got_up = 0, got_down = 0;
  for (int i = 0; i < 6000; ++i) {
    client.from_tun(ipv4_packet("10.8.0.2", "192.0.2.1", 64 + random() % 200));
    server.from_tun(ipv4_packet("192.0.2.1", "10.8.0.2", 64 + random() % 200));
    onto(to_server, client.sent_outer(), up);
    onto(to_client, server.sent_outer(), down);
    bool last = i == 5999;
    off(to_server, server, at_server.remote, last ? UINT64_MAX : clock);
    off(to_client, client, at_client.remote, last ? UINT64_MAX : clock);
    if (i % 40 == 39) {
      server.round();
      client.round();
      onto(to_server, client.sent_outer(), up);
      onto(to_client, server.sent_outer(), down);
    }
    got_up += server.sent_tun().size();
    got_down += client.sent_tun().size();
  }
  EXPECT_EQ(got_up, up) << "whatever was not lost on the wire was taken";
  EXPECT_EQ(got_down, down);
  EXPECT_TRUE(server.dropped().empty()) << *server.dropped().begin();
  EXPECT_TRUE(client.dropped().empty()) << *client.dropped().begin();
  uint64_t epochs = abi::epoch_of(server.highest_seen(0));
  EXPECT_GT(epochs, 50u) << "it went through many";
}

}  // namespace
}  // namespace culvert
