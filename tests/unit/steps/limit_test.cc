// Limits of sessions in the path: which packets they count, whose, and how long they stay.
#include <gtest/gtest.h>

#include "dataplane/session/limit_bucket.h"
#include "tests/unit/support/path_rig.h"

namespace culvert {
namespace {

using abi::CommandKind;
using abi::DropReason;
using testing::Bytes;
using testing::ipv4_packet;
using testing::PathRig;
using testing::Peer;

constexpr uint32_t kSize = 1000;                                      // bytes of an inner packet
constexpr size_t kBurst = session::LimitBucket::kLeastBurst / kSize;  // packets that a low limit lets through
constexpr uint64_t kLow = 8000;                                       // bits per second: a packet a second
constexpr size_t kMany = 3 * kBurst;

class LimitTest : public ::testing::Test {
 protected:
  Peer connect(uint32_t peer_id, uint64_t in, uint64_t out) {
    return rig_.connect(peer_id, [&](auto& session, auto&) {
      session.limit = {in, out};
      session.flags |= abi::session_flag::kClientToClient;
    });
  }
  void limit(const Peer& peer, uint64_t in, uint64_t out) {
    rig_.apply(CommandKind::kLimitSession, peer.session, [&](auto& body) { body.limit = {in, out}; });
  }
  static std::string address(const Peer& peer) { return "10.8.0." + std::to_string(peer.session.peer_id + 2); }
  /// How many of `count` packets from the client come out at the TUN.
  size_t from(Peer& peer, size_t count = kMany) {
    for (size_t i = 0; i < count; ++i) rig_.from_peer(peer, ipv4_packet(address(peer), "192.0.2.1", kSize - 20));
    return rig_.sent_tun().size();
  }
  /// How many of `count` packets from the TUN reach the client, under packet-ids without a gap.
  size_t to(const Peer& peer, size_t count = kMany) {
    for (size_t i = 0; i < count; ++i) rig_.from_tun(ipv4_packet("192.0.2.1", address(peer), kSize - 20));
    std::vector<PathRig::Sent> sent = rig_.sent_outer();
    for (const PathRig::Sent& packet : sent) {
      auto opened = peer.open(packet.bytes);
      EXPECT_TRUE(opened);
      if (!opened) continue;
      EXPECT_EQ(opened->packet_id, ++last_packet_id_);
    }
    return sent.size();
  }
  using Names = std::set<std::string_view>;

  PathRig rig_;
  uint32_t last_packet_id_ = 0;
};

TEST_F(LimitTest, EachDirectionHasItsOwn) {
  Peer peer = connect(0, kLow, 0);
  EXPECT_EQ(from(peer), kBurst);
  EXPECT_EQ(to(peer), kMany);
  EXPECT_EQ(rig_.drops(DropReason::limit_from_client), kMany - kBurst);
  EXPECT_EQ(rig_.dropped(), Names{"limit_from_client"});
  limit(peer, 0, kLow);
  EXPECT_EQ(from(peer), kMany);
  EXPECT_EQ(to(peer), kBurst);  // no packet-id is lost
  EXPECT_EQ(rig_.drops(DropReason::limit_to_client), kMany - kBurst);
  rig_.now += 2 * PathRig::kSecond;
  EXPECT_EQ(to(peer), 2u);
}

TEST_F(LimitTest, IsTheSessionsAlone) {
  Peer limited = connect(0, kLow, kLow), free = connect(1, 0, 0);
  EXPECT_EQ(from(limited), kBurst);
  EXPECT_EQ(from(free), kMany);
  EXPECT_EQ(to(free), kMany);
}

TEST_F(LimitTest, LiftedAndSetAgain) {
  Peer peer = connect(0, kLow, kLow);
  EXPECT_EQ(from(peer), kBurst);
  limit(peer, 0, 0);
  EXPECT_EQ(from(peer), kMany);
  EXPECT_EQ(to(peer), kMany);
  limit(peer, kLow, 0);
  EXPECT_EQ(from(peer), kBurst);  // begins with its burst
  limit(peer, kLow, 0);           // the same: goes on where it was
  EXPECT_EQ(from(peer), 0u);
}

TEST_F(LimitTest, StaysWhenTheSessionIsInstalledAgain) {
  Peer peer = connect(0, kLow, kLow);
  EXPECT_EQ(from(peer), kBurst);
  abi::InstallSession again = PathRig::settings(0);
  again.limit = {kLow, kLow};
  rig_.install(peer.session, again);
  EXPECT_EQ(from(peer), 0u);
  again.limit = {};
  rig_.install(peer.session, again);
  EXPECT_EQ(from(peer), kMany);
}

TEST_F(LimitTest, EndsWithTheSession) {
  Peer first = connect(0, kLow, kLow);
  EXPECT_EQ(from(first), kBurst);
  rig_.remove(first.session);
  abi::InstallSession next = PathRig::settings(0);
  rig_.install({0, 2}, next);
  rig_.install({0, 2}, first.key);
  first.next_packet_id = 1;
  EXPECT_EQ(from(first), kMany);
  first.session.generation = 2;
  limit(first, kLow, 0);  // nothing is left of what the peer-id had before
  EXPECT_EQ(from(first), kBurst);
}

TEST_F(LimitTest, NobodyElseUsesItUp) {
  Peer peer = connect(0, kLow, 0);
  Bytes forged = peer.seal(ipv4_packet("10.8.0.2", "192.0.2.1", kSize - 20));
  forged.back() ^= 1;
  for (size_t i = 0; i < kMany; ++i) rig_.from_outer(forged, peer.remote);
  EXPECT_EQ(rig_.drops(DropReason::aead_bad_tag), kMany);
  EXPECT_EQ(from(peer), kBurst);
}

TEST_F(LimitTest, BetweenClientsBothCount) {
  Peer sender = connect(0, 2 * kLow, 0);
  connect(1, 0, kLow);
  for (size_t i = 0; i < kMany; ++i) rig_.from_peer(sender, ipv4_packet("10.8.0.2", "10.8.0.3", kSize - 20));
  EXPECT_EQ(rig_.sent_outer().size(), kBurst);
  EXPECT_EQ(rig_.drops(DropReason::limit_from_client), kMany - kBurst);
  EXPECT_EQ(rig_.drops(DropReason::limit_to_client), 0u);
  rig_.now += 4 * PathRig::kSecond;
  for (size_t i = 0; i < kMany; ++i) rig_.from_peer(sender, ipv4_packet("10.8.0.2", "10.8.0.3", kSize - 20));
  EXPECT_EQ(rig_.drops(DropReason::limit_to_client), 4u);
}

TEST_F(LimitTest, KeepalivesAreNotCounted) {
  Peer peer = rig_.connect(0, [](auto& session, auto&) {
    session.limit = {1, 1};
    session.ping_interval = 1;
  });
  EXPECT_EQ(to(peer), kBurst);
  rig_.round();
  rig_.round();
  EXPECT_FALSE(rig_.sent_outer().empty());
  EXPECT_EQ(rig_.drops(DropReason::limit_to_client), kMany - kBurst);
}

TEST_F(LimitTest, ThatIsTooLargeIsRefused) {
  Peer peer = connect(0, kLow, 0);
  limit(peer, abi::kMaxLimit + 1, 0);
  limit(peer, 0, abi::kMaxLimit + 1);
  EXPECT_EQ(rig_.drops(DropReason::link_bad_message), 2u);
  EXPECT_EQ(from(peer), kBurst);
  limit(peer, abi::kMaxLimit, abi::kMaxLimit);
  EXPECT_EQ(from(peer), kMany);
}

}  // namespace
}  // namespace culvert
