#include "control/openvpn/key_ring.h"

#include <gtest/gtest.h>

#include <string>

namespace culvert::openvpn {
namespace {

using namespace std::chrono_literals;
using Floor = std::optional<std::pair<uint64_t, uint64_t>>;
constexpr MonoTime kFirstKeyAt{1000s};
constexpr KeyRing::Overlap kOverlap{kFirstKeyAt + 60s, kFirstKeyAt + 3600s};
constexpr KeyRing::Overlap kNextOverlap{kFirstKeyAt + 3660s, kFirstKeyAt + 7200s};

KeyRing::Key key(uint8_t id) {
  KeyRing::Key out;
  out.id = id;
  out.cipher = abi::Cipher::kAes256Gcm;
  return out;
}

/// "install 1, send 1, remove 0": what the commands say.
std::string text(Commands& commands) {
  std::string out;
  for (const abi::Command& command : commands) {
    if (!out.empty()) out += ", ";
    const abi::InstallKey& install = command.body.install_key;
    if (command.kind == abi::CommandKind::kInstallKey)
      out += (install.send_at_once ? "install+send " : "install ") + std::to_string(install.key_id);
    else
      out += (command.kind == abi::CommandKind::kSendWithKey ? "send " : "remove ") +
             std::to_string(command.body.key.key_id);
  }
  commands.clear();
  return out;
}

struct Ring : ::testing::Test {
  void SetUp() override {
    ring.install(key(0), {}, out);
    ASSERT_EQ(text(out), "install+send 0");
    ring.install(key(1), kOverlap, out);
    ASSERT_EQ(text(out), "install 1");
    ASSERT_EQ(ring.sending(), 0);
  }
  KeyRing ring;
  Commands out;
};

TEST_F(Ring, FirstUseByThePeerSwitches) {
  ring.peer_has(0, out);
  EXPECT_EQ(text(out), "");
  ring.peer_has(1, out);
  EXPECT_EQ(text(out), "send 1");
  ring.peer_has(1, out);
  EXPECT_EQ(text(out), "");
  EXPECT_EQ(ring.sending(), 1);
}

TEST_F(Ring, TimeSwitchesOnlyAfterTheNegotiation) {
  ring.tick(kFirstKeyAt + 3599s, out);
  EXPECT_EQ(text(out), "") << "the peer may not have our key message";
  ring.negotiated(1, kFirstKeyAt + 60s);
  ring.tick(kFirstKeyAt + 59s, out);
  EXPECT_EQ(text(out), "");
  EXPECT_EQ(ring.next_deadline(), kFirstKeyAt + 60s);
  ring.tick(kFirstKeyAt + 60s, out);
  EXPECT_EQ(text(out), "send 1");
}

TEST_F(Ring, TransitionWindowEndsTheOldKey) {
  ring.peer_has(1, out);
  text(out);
  ring.tick(kFirstKeyAt + 3600s - 1ns, out);
  EXPECT_EQ(text(out), "");
  ring.tick(kFirstKeyAt + 3600s, out);
  EXPECT_EQ(text(out), "remove 0");
  EXPECT_FALSE(ring.next_deadline());
}

TEST_F(Ring, OldKeyIsNeverRemovedWhileSentWith) {
  ring.tick(kFirstKeyAt + 3600s, out);
  EXPECT_EQ(text(out), "send 1, remove 0");
}

TEST_F(Ring, AThirdKeyPushesTheFirstOut) {
  ring.install(key(2), kNextOverlap, out);
  EXPECT_EQ(text(out), "send 1, remove 0, install 2");
}

TEST_F(Ring, AbandonedKeyGoesAndTheOldOneStays) {
  ring.abandon(0, out);
  EXPECT_EQ(text(out), "");
  ring.abandon(1, out);
  EXPECT_EQ(text(out), "remove 1");
  EXPECT_EQ(ring.sending(), 0);
  ring.install(key(2), kOverlap, out);
  EXPECT_EQ(text(out), "install 2");
}

TEST_F(Ring, AKeyThatThePeerUsesIsNotAbandoned) {
  ring.peer_has(1, out);
  text(out);
  ring.abandon(1, out);
  EXPECT_EQ(text(out), "");
}

TEST_F(Ring, ReinstallResumesPacketIds) {
  ring.reinstall([](uint8_t id) { return Floor(std::pair(1000u + id, 500u + id)); }, kFirstKeyAt, out);
  EXPECT_FALSE(ring.peer_may_send_with_lost());
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[0].body.install_key.first_packet_id, 1000u);
  EXPECT_EQ(out[1].body.install_key.replay_floor, 501u);
  EXPECT_EQ(text(out), "install+send 0, install 1");
}

TEST_F(Ring, ReinstallNeverRepeatsAPacketId) {
  ring.reinstall([](uint8_t) { return Floor(); }, kFirstKeyAt, out);
  EXPECT_TRUE(ring.peer_may_send_with_lost());
  EXPECT_EQ(text(out), "");
  EXPECT_FALSE(ring.current());
}

TEST_F(Ring, ReinstallRefusesAUsedUpKey) {
  ring.reinstall([](uint8_t id) { return Floor(std::pair(id == 1 ? uint64_t{1} << 32 : 5, 0)); }, kFirstKeyAt, out);
  EXPECT_TRUE(ring.peer_may_send_with_lost());
  EXPECT_EQ(text(out), "install+send 0");
}

/// A ring that was adopted with key 0, and has negotiated key 1 since.
struct Adopted : ::testing::Test {
  void SetUp() override {
    ring.adopt(0, abi::Cipher::kAes256Gcm, std::nullopt, kFirstKeyAt, kFirstKeyAt + 3600s);
    EXPECT_FALSE(ring.known(kFirstKeyAt)) << "nobody has key 0 but the dataplane";
    ring.install(key(1), kOverlap, out);
    ring.peer_has(1, out);
    ASSERT_EQ(text(out), "install 1, send 1");
  }
  /// Is all there that the peer may send with?
  bool reinstall(MonoTime now) {
    ring.reinstall([](uint8_t) { return Floor(std::pair(1000, 500)); }, now, out);
    return !ring.peer_may_send_with_lost();
  }
  KeyRing ring;
  Commands out;
};

TEST_F(Adopted, APeerThatHasTheNewKeyMayGoOnWithTheOneThatIsLost) {
  const MonoTime now = kOverlap.peer_leaves - 1ns;
  EXPECT_FALSE(ring.known(now));
  EXPECT_FALSE(reinstall(now));
  EXPECT_EQ(text(out), "install+send 1");
}

TEST_F(Adopted, ButNotForEver) {
  const MonoTime now = kOverlap.peer_leaves;
  EXPECT_TRUE(ring.known(now));
  EXPECT_TRUE(reinstall(now));
  EXPECT_EQ(text(out), "install+send 1");
}

TEST_F(Adopted, AFurtherKeyPushesTheLostOneOut) {
  ring.install(key(2), kNextOverlap, out);
  EXPECT_EQ(text(out), "remove 0, install 2");
  EXPECT_TRUE(ring.known(kFirstKeyAt));
  EXPECT_TRUE(reinstall(kFirstKeyAt)) << "key 1 is there";
  EXPECT_EQ(text(out), "install+send 1, install 2");
}

TEST_F(Adopted, ALostKeyIsInUseUntilAFurtherKeyButOne) {
  EXPECT_FALSE(ring.peer_may_send_with_lost());
  ring.reinstall([](uint8_t) { return Floor(); }, kFirstKeyAt, out);
  EXPECT_TRUE(ring.peer_may_send_with_lost()) << "key 1 is lost as well";
  ring.install(key(2), kOverlap, out);
  EXPECT_TRUE(ring.peer_may_send_with_lost());
  EXPECT_FALSE(reinstall(kFirstKeyAt));
  ring.install(key(3), kNextOverlap, out);
  EXPECT_FALSE(ring.peer_may_send_with_lost());
  EXPECT_TRUE(reinstall(kFirstKeyAt));
}

TEST(KeyRing, EpochKeysGoOnInANewDataplane) {
  KeyRing ring;
  Commands out;
  KeyRing::Key key;
  key.id = 2;
  key.cipher = abi::Cipher::kAes256Gcm;
  key.format = abi::KeyFormat::kEpoch;
  key.keys.send.key.fill(1);
  key.keys.receive.key.fill(2);
  ring.install(key, {}, out);
  constexpr uint64_t kEpoch1 = uint64_t{1} << abi::kEpochShift;
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].body.install_key.first_packet_id, kEpoch1 + 1);
  EXPECT_EQ(out[0].body.install_key.replay_floor, kEpoch1);
  EXPECT_EQ(out[0].body.install_key.send.key, key.keys.send.key);

  out.clear();
  auto at = [](uint8_t) { return std::optional(std::pair(uint64_t{3} << 48 | 65536, uint64_t{2} << 48 | 7)); };
  ring.reinstall(at, kFirstKeyAt, out);
  ASSERT_FALSE(ring.peer_may_send_with_lost());
  const abi::InstallKey& again = out.at(0).body.install_key;
  EXPECT_EQ(again.first_packet_id, uint64_t{3} << 48 | 65536);
  EXPECT_EQ(again.replay_floor, uint64_t{2} << 48 | 7);
  auto expected = key.keys.send.key;
  ASSERT_TRUE(advance_epoch(expected, 3));
  EXPECT_EQ(again.send.key, expected) << "the secret of the epoch, not the first";
  expected = key.keys.receive.key;
  ASSERT_TRUE(advance_epoch(expected, 2));
  EXPECT_EQ(again.receive.key, expected);
}

}  // namespace
}  // namespace culvert::openvpn
