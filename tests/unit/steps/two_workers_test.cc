// Two paths over one link: whose a session is, and what becomes of packets that arrive at the other worker.
#include <gtest/gtest.h>

#include "dataplane/abi/setup.h"
#include "dataplane/session/limit_bucket.h"
#include "dataplane/steps/handoff.h"
#include "tests/unit/support/path_rig.h"
#include "tests/unit/support/watcher.h"

namespace culvert::testing {
namespace {

using abi::CommandKind;
using abi::Counter;
using abi::DropReason;
using dataplane::Path;

class TwoWorkers : public ::testing::Test {
 protected:
  struct Side {
    drivers::MemoryPort outer{drivers::Side::kOuter};
    drivers::MemoryPort tun{drivers::Side::kInner};
    std::unique_ptr<aead::Engine> aead;
    std::unique_ptr<Path> path;
    std::vector<PathRig::Sent> sent_outer() { return PathRig::take(outer); }
    std::vector<PathRig::Sent> sent_tun() { return PathRig::take(tun); }
    uint64_t drops(DropReason reason) { return path->tally().drops[static_cast<size_t>(reason)]; }
    uint64_t counter(Counter counter) { return path->tally().counters[static_cast<size_t>(counter)]; }
  };

  TwoWorkers() {
    for (uint32_t worker = 0; worker < 2; ++worker) {
      Side& side = sides_[worker];
      side.aead = *aead::make_engine();
      side.path = *Path::make(link_.view(), worker, pool_.get(), *side.aead, {}, &rings_);
      side.path->set_outer_port(0, &side.outer);
      side.path->set_inner_port(&side.tun);
    }
  }

  void apply(uint32_t worker, CommandKind kind, abi::SessionRef ref, uint16_t owner, auto fill) {
    abi::Command command{};
    command.kind = kind;
    command.session = ref;
    command.owner = owner;
    fill(command.body);
    sides_[worker].path->apply(command, kNow);
  }
  /// As control does: the session to both, its key to the owner.
  Peer connect(uint32_t peer_id, uint16_t owner, uint32_t more_flags = 0) {
    Peer peer;
    peer.session = {peer_id, 1};
    peer.key = PathRig::key(0, static_cast<uint8_t>(peer_id + 1));
    peer.peer_id = peer_id;
    abi::InstallSession settings = PathRig::settings(peer_id);
    settings.flags |= more_flags;
    peer.remote = settings.remote;
    for (uint32_t worker = 0; worker < 2; ++worker)
      apply(worker, CommandKind::kInstallSession, peer.session, owner,
            [&](auto& body) { body.install_session = settings; });
    apply(owner, CommandKind::kInstallKey, peer.session, 0, [&](auto& body) { body.install_key = peer.key; });
    return peer;
  }
  void from_outer(uint32_t worker, std::span<const uint8_t> bytes, const abi::Endpoint& from) {
    rte_mbuf* packet = pool_.packet(bytes);
    meta(packet).remote = from;
    sides_[worker].path->outer_burst({&packet, 1}, kNow);
    sides_[worker].path->flush();
  }
  void from_tun(uint32_t worker, std::span<const uint8_t> bytes) {
    rte_mbuf* packet = pool_.packet(bytes);
    sides_[worker].path->inner_burst({&packet, 1}, kNow);
    sides_[worker].path->flush();
  }
  /// The worker takes what it has been handed.
  size_t take_handed(uint32_t worker) {
    size_t count = sides_[worker].path->take_handed(kNow);
    sides_[worker].path->flush();
    return count;
  }

  static constexpr uint64_t kNow = 1000 * PathRig::kSecond;
  PacketPool pool_;
  LinkMemory link_{64, 2};
  steps::HandoffRings rings_{2};
  std::array<Side, 2> sides_;
};

TEST_F(TwoWorkers, AnOuterPacketIsOpenedByTheOwner) {
  Peer peer = connect(3, 1);
  Bytes inner = ipv4_packet("10.8.0.5", "192.0.2.1");
  from_outer(0, peer.seal(inner), peer.remote);
  EXPECT_EQ(sides_[0].sent_tun().size(), 0u);
  EXPECT_EQ(take_handed(1), 1u);
  auto sent = sides_[1].sent_tun();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].bytes, inner);
  EXPECT_EQ(sides_[0].counter(Counter::handed_over_packets), 1u);
  EXPECT_EQ(sides_[1].counter(Counter::taken_over_packets), 1u);
  EXPECT_EQ(sides_[0].counter(Counter::outer_rx_packets), 1u);
  EXPECT_EQ(sides_[1].counter(Counter::outer_rx_packets), 0u) << "it was received once";
}

TEST_F(TwoWorkers, AnInnerPacketIsSealedByTheOwner) {
  Peer peer = connect(3, 1);
  Bytes inner = ipv4_packet("192.0.2.1", "10.8.0.5");
  from_tun(0, inner);
  EXPECT_EQ(sides_[0].sent_outer().size(), 0u);
  EXPECT_EQ(take_handed(1), 1u);
  auto sent = sides_[1].sent_outer();
  ASSERT_EQ(sent.size(), 1u);
  auto opened = peer.open(sent[0].bytes);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->inner, inner);
  EXPECT_EQ(sent[0].to.remote, peer.remote);
}

TEST_F(TwoWorkers, OneClientToAnotherOfTheOtherWorkerEvenFromTheWrongOne) {
  Peer alice = connect(1, 0, abi::session_flag::kClientToClient);
  Peer bob = connect(2, 1, abi::session_flag::kClientToClient);
  Bytes inner = ipv4_packet("10.8.0.3", "10.8.0.4");
  from_outer(1, alice.seal(inner), alice.remote);  // arrives at bob's worker, is opened by alice's, sealed by bob's
  EXPECT_EQ(take_handed(0), 1u);
  EXPECT_EQ(take_handed(1), 1u);
  auto sent = sides_[1].sent_outer();
  ASSERT_EQ(sent.size(), 1u);
  auto opened = bob.open(sent[0].bytes);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->inner, inner);
}

TEST_F(TwoWorkers, AFloatSeenByTheOwnerIsFollowedAndToldToTheOther) {
  Peer peer = connect(3, 1);
  abi::Endpoint moved = endpoint("198.51.100.200", 4711);
  from_outer(0, peer.seal(ipv4_packet("10.8.0.5", "192.0.2.1")), moved);
  EXPECT_EQ(take_handed(1), 1u);
  EXPECT_EQ(sides_[1].counter(Counter::floats), 1u);
  from_tun(1, ipv4_packet("192.0.2.1", "10.8.0.5"));
  auto sent = sides_[1].sent_outer();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].to.remote, moved);

  // Only then the other worker keeps a third session from taking that address.
  apply(0, CommandKind::kMoveSession, peer.session, 1, [&](auto& body) { body.stream = {moved, 0}; });
  Peer thief = connect(4, 0);
  from_outer(0, thief.seal(ipv4_packet("10.8.0.6", "192.0.2.1")), moved);
  EXPECT_EQ(sides_[0].drops(DropReason::float_refused), 1u);
  EXPECT_EQ(sides_[0].counter(Counter::commands_refused), 0u);
  apply(1, CommandKind::kMoveSession, peer.session, 1, [&](auto& body) { body.stream = {moved, 0}; });
  EXPECT_EQ(sides_[1].counter(Counter::commands_refused), 1u) << "the owner knows better";
  apply(0, CommandKind::kMoveSession, peer.session, 1, [&](auto& body) { body.stream = {moved, abi::kMaxPorts}; });
  EXPECT_EQ(sides_[0].counter(Counter::commands_refused), 1u) << "no such port";
}

TEST_F(TwoWorkers, OnlyTheOwnerRecordsWhereThePeerIs) {
  Peer peer = connect(3, 1);
  const auto& recorded = link_.view().session(3).worker.remote;
  EXPECT_EQ(recorded.commits(), 1u) << "of the two that installed it";
  apply(0, CommandKind::kMoveSession, peer.session, 1, [](auto& body) {
    body.stream = {endpoint("198.51.100.200", 4711), 0};
  });
  EXPECT_EQ(recorded.commits(), 1u);
}

TEST_F(TwoWorkers, ALimitIsTheOwnersWhereverItsPacketsArrive) {
  constexpr uint32_t kSize = 1000;
  constexpr size_t kBurst = session::LimitBucket::kLeastBurst / kSize;  // packets that so low a limit lets through
  Peer peer = connect(3, 1);
  apply(1, CommandKind::kLimitSession, peer.session, 1, [](auto& body) { body.limit = {8000, 8000}; });
  Bytes out = ipv4_packet("10.8.0.5", "192.0.2.1", kSize - 20), in = ipv4_packet("192.0.2.1", "10.8.0.5", kSize - 20);
  // In turn at one worker and the other: one bucket, from which each packet takes once.
  for (size_t i = 0; i < 2 * kBurst; ++i) {
    from_outer(i % 2, peer.seal(out), peer.remote);
    from_tun(i % 2, in);
    take_handed(1);
  }
  EXPECT_EQ(sides_[1].sent_tun().size(), kBurst);
  auto sealed = sides_[1].sent_outer();
  EXPECT_EQ(sealed.size(), kBurst);
  for (size_t i = 0; i < sealed.size(); ++i) {
    auto opened = peer.open(sealed[i].bytes);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->packet_id, i + 1) << "what is dropped uses none up";
  }
  for (DropReason reason : {DropReason::limit_from_client, DropReason::limit_to_client}) {
    EXPECT_EQ(sides_[0].drops(reason), 0u);
    EXPECT_EQ(sides_[1].drops(reason), kBurst);
  }
  EXPECT_TRUE(sides_[0].sent_tun().empty());
  EXPECT_TRUE(sides_[0].sent_outer().empty());

  // The command is the owner's as well; another worker has no bucket that it could mean.
  apply(0, CommandKind::kLimitSession, peer.session, 1, [](auto& body) { body.limit = {}; });
  EXPECT_EQ(sides_[0].counter(Counter::commands_refused), 1u);
  from_outer(0, peer.seal(out), peer.remote);
  EXPECT_EQ(take_handed(1), 1u);
  EXPECT_TRUE(sides_[1].sent_tun().empty());
}

TEST_F(TwoWorkers, WorkersThatDisagreeDoNotPlayBall) {
  // Told one after the other, for a moment each takes the other one for the owner.
  abi::InstallSession settings = PathRig::settings(3);
  for (uint32_t worker = 0; worker < 2; ++worker)
    apply(worker, CommandKind::kInstallSession, {3, 1}, static_cast<uint16_t>(1 - worker),
          [&](auto& body) { body.install_session = settings; });
  Peer peer;
  peer.peer_id = 3;
  peer.key = PathRig::key(0, 4);
  from_outer(0, peer.seal(ipv4_packet("10.8.0.5", "192.0.2.1")), settings.remote);
  EXPECT_EQ(take_handed(1), 1u);
  EXPECT_EQ(take_handed(0), 0u);
  EXPECT_EQ(sides_[1].drops(DropReason::handoff_stale), 1u);
  from_tun(1, ipv4_packet("192.0.2.1", "10.8.0.5"));
  EXPECT_EQ(take_handed(0), 1u);
  EXPECT_EQ(take_handed(1), 0u);
  EXPECT_EQ(sides_[0].drops(DropReason::handoff_stale), 1u);
}

TEST_F(TwoWorkers, OnlyTheOwnerHasKeysAndWritesTheRecord) {
  Peer peer = connect(3, 1);
  EXPECT_EQ(sides_[0].path->session_count(), 0u);
  EXPECT_EQ(sides_[1].path->session_count(), 1u);
  abi::WorkerRecord& record = link_.view().session(3).worker;
  EXPECT_EQ(record.generation.load(), 1u);
  for (CommandKind kind : {CommandKind::kInstallKey, CommandKind::kSendWithKey, CommandKind::kRemoveKey})
    apply(0, kind, peer.session, 0, [&](auto& body) {
      if (kind == CommandKind::kInstallKey) body.install_key = peer.key;
    });
  EXPECT_EQ(sides_[0].counter(Counter::commands_refused), 3u);

  // The other worker's copy comes and goes without a trace in the record.
  record.generation.store(77);
  apply(0, CommandKind::kRemoveSession, peer.session, 1, [](auto&) {});
  apply(0, CommandKind::kInstallSession, {3, 2}, 1, [](auto& body) { body.install_session = PathRig::settings(3); });
  EXPECT_EQ(record.generation.load(), 77u);
  // A session does not change hands while it lives, and no worker but those there are can own one.
  apply(0, CommandKind::kInstallSession, {3, 2}, 0, [](auto& body) { body.install_session = PathRig::settings(3); });
  apply(0, CommandKind::kInstallSession, {5, 1}, 2, [](auto& body) { body.install_session = PathRig::settings(5); });
  EXPECT_EQ(sides_[0].counter(Counter::commands_refused), 5u);
}

TEST_F(TwoWorkers, WhoeverWatchesIsToldOfWhatIsHandedOver) {
  Watcher arrives([](auto&) {}), owns([](auto&) {});
  arrives.follow(*sides_[0].path);
  owns.follow(*sides_[1].path);
  Peer peer = connect(3, 1);
  Bytes outer = peer.seal(ipv4_packet("10.8.0.5", "192.0.2.1"));
  from_outer(0, outer, peer.remote);
  from_tun(0, ipv4_packet("192.0.2.1", "10.8.0.5"));
  auto handed = arrives.seen();
  ASSERT_EQ(handed.size(), 2u);
  EXPECT_EQ(handed[0].step(), "hand_over");
  EXPECT_EQ(handed[0].entry.outer_length, outer.size());
  EXPECT_EQ(handed[1].step(), "hand_over");
  EXPECT_EQ(handed[1].entry.inner_version, 4);
  for (const auto& one : handed) EXPECT_EQ(one.entry.session, peer.session);

  EXPECT_EQ(take_handed(1), 2u);
  auto taken = owns.seen();
  ASSERT_EQ(taken.size(), 2u);
  EXPECT_EQ(taken[0].step(), "route");
  EXPECT_EQ(taken[1].step(), "send_outer");
  sides_[1].sent_outer();
  sides_[1].sent_tun();
  for (Side& side : sides_) side.path.reset();  // before those who watch
}

TEST_F(TwoWorkers, ASleepingOwnerIsWoken) {
  Peer peer = connect(3, 1);
  ASSERT_TRUE(sides_[1].path->prepare_to_sleep());
  rte_mbuf* packet = pool_.packet(peer.seal(ipv4_packet("10.8.0.5", "192.0.2.1")));
  meta(packet).remote = peer.remote;
  sides_[0].path->outer_burst({&packet, 1}, kNow);
  EXPECT_EQ(sides_[0].path->flush(), uint64_t{1} << 1);
  sides_[1].path->awake();
  EXPECT_FALSE(sides_[1].path->prepare_to_sleep());
  EXPECT_EQ(take_handed(1), 1u);
  sides_[1].sent_tun();
}

}  // namespace
}  // namespace culvert::testing
