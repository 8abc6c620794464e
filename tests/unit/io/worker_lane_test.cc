#include "control/io/worker_lane.h"

#include <gtest/gtest.h>

#include "control/io/link_checks.h"
#include "tests/unit/io/support.h"

namespace culvert::io {
namespace {

using abi::RingStatus;

struct Seen : LaneSink {
  void on_event(uint32_t, const abi::Event& event) override { events.push_back(event); }
  void on_punt(uint32_t, const abi::PacketMessage& packet) override { punts.push_back(packet.length); }
  void on_bad_message(uint32_t) override { ++bad; }
  std::vector<abi::Event> events;
  std::vector<size_t> punts;
  int bad = 0;
};

abi::Endpoint peer() {
  abi::Endpoint endpoint;
  endpoint.address = {.bytes = {192, 0, 2, 1}, .family = abi::Family::kIpv4};
  endpoint.port = 1194;
  return endpoint;
}

abi::Event good_event() {
  abi::Event event{};
  event.kind = abi::EventKind::kFloated;
  event.session = {3, 1};
  event.endpoint = peer();
  return event;
}

abi::PacketMessage good_punt() {
  abi::PacketMessage packet{};
  packet.remote = peer();
  packet.length = 14;
  return packet;
}

abi::Command command(uint32_t number) {
  abi::Command command{};
  command.kind = abi::CommandKind::kInstallKey;
  command.session = {number, 1};
  command.body.raw.fill(0x5a);
  return command;
}

struct WorkerLaneTest : ::testing::Test {
  FakeLink link{1, 16};
  std::shared_ptr<LinkMapping> mapping = *LinkMapping::map(Fd(dup(link.memfd.get())));
  WorkerLane lane{0, mapping, Fd(dup(link.bells[0].get())), Fd(dup(link.bells[1].get()))};
  abi::WorkerArea& area = link.view.worker(0);
  abi::Consumer<abi::Command, abi::CommandRing::kCapacity> commands{area.commands};
  abi::Consumer<abi::PacketMessage, abi::PacketRing::kCapacity> packets{area.control_out};
  abi::Producer<abi::Event, abi::EventRing::kCapacity> events{area.events};
  abi::Producer<abi::PacketMessage, abi::PacketRing::kCapacity> punt_new{area.punt_new};
  abi::Producer<abi::PacketMessage, abi::PacketRing::kCapacity> punt_known{area.punt_known};
  Seen seen;
};

TEST_F(WorkerLaneTest, CommandsThatFindTheRingFullWaitInOrder) {
  constexpr uint32_t kMore = 50;
  for (uint32_t i = 0; i < abi::CommandRing::kCapacity + kMore; ++i) ASSERT_TRUE(lane.push(command(i)));
  EXPECT_EQ(lane.backlog(), kMore);
  abi::Command got{};
  for (uint32_t i = 0; i < abi::CommandRing::kCapacity + kMore; ++i) {
    if (i == 10) {
      ASSERT_TRUE(lane.push(command(7777)));  // there is room, but others have waited for it
      lane.flush();                           // for ten: ten go in, the rest waits on
      EXPECT_EQ(lane.backlog(), kMore + 1 - 10);
    }
    if (i == 100) lane.flush();
    ASSERT_EQ(commands.pop(got), RingStatus::kOk) << i;
    EXPECT_EQ(got.session.peer_id, i);
  }
  ASSERT_EQ(commands.pop(got), RingStatus::kOk);
  EXPECT_EQ(got.session.peer_id, 7777u);
  EXPECT_EQ(lane.backlog(), 0u);
}

TEST_F(WorkerLaneTest, APacketWaitsForTheCommandsBeforeItEvenThoseThatWaitThemselves) {
  abi::PacketMessage packet = good_punt();
  ASSERT_TRUE(lane.push_packet(packet));
  EXPECT_EQ(packet.after_command, 0u);
  for (uint32_t i = 0; i < abi::CommandRing::kCapacity + 3; ++i) ASSERT_TRUE(lane.push(command(i)));
  ASSERT_TRUE(lane.push_packet(packet));
  EXPECT_EQ(packet.after_command, abi::CommandRing::kCapacity + 3);

  abi::Command got{};
  while (commands.pop(got) == RingStatus::kOk) lane.flush();
  EXPECT_EQ(commands.consumed(), packet.after_command) << "the sequence numbers promised are those they got";
}

TEST_F(WorkerLaneTest, TheLineIsBounded) {
  size_t accepted = 0;
  while (accepted < 100'000 && lane.push(command(1))) ++accepted;
  EXPECT_EQ(accepted, abi::CommandRing::kCapacity + 4 * 16 + 1024);
  EXPECT_FALSE(lane.push(command(1)));
}

TEST_F(WorkerLaneTest, PacketsAreRefusedWhenTheirRingIsFull) {
  abi::PacketMessage packet = good_punt();
  for (uint64_t i = 0; i < abi::PacketRing::kCapacity; ++i) ASSERT_TRUE(lane.push_packet(packet));
  EXPECT_FALSE(lane.push_packet(packet));
  ASSERT_EQ(packets.pop(packet), RingStatus::kOk);
  EXPECT_TRUE(lane.push_packet(packet));
}

TEST_F(WorkerLaneTest, WakesAWorkerThatSleepsAndOnlyThen) {
  ASSERT_TRUE(lane.push(command(1)));
  lane.flush();
  EXPECT_FALSE(link.worker_was_woken());
  abi::Command got{};
  (void)commands.pop(got);
  ASSERT_TRUE(commands.prepare_to_sleep());
  ASSERT_TRUE(packets.prepare_to_sleep());
  ASSERT_TRUE(lane.push(command(2)));
  lane.flush();
  EXPECT_TRUE(link.worker_was_woken());
}

TEST_F(WorkerLaneTest, CommandsWaitWhileDetachedAndGoToTheSameDataplane) {
  lane.detach();
  ASSERT_TRUE(lane.push(command(1)));
  abi::PacketMessage packet = good_punt();
  EXPECT_FALSE(lane.push_packet(packet));
  lane.flush();
  EXPECT_TRUE(commands.empty());
  lane.reattach(mapping, Fd(dup(link.bells[0].get())), Fd(dup(link.bells[1].get())));
  lane.flush();
  abi::Command got{};
  ASSERT_EQ(commands.pop(got), RingStatus::kOk);
  EXPECT_EQ(got.session.peer_id, 1u);
}

TEST_F(WorkerLaneTest, ServesEventsThenKnownPeersThenStrangersABoundedNumberAtATime) {
  for (int i = 0; i < 300; ++i) (void)events.push(good_event());
  for (int i = 0; i < 100; ++i) (void)punt_known.push(good_punt());
  for (int i = 0; i < 100; ++i) (void)punt_new.push(good_punt());
  EXPECT_TRUE(lane.drain(seen)) << "there is more";
  EXPECT_EQ(seen.events.size(), 256u);
  EXPECT_EQ(seen.punts.size(), 64u + 32u);
  int passes = 1;
  while (lane.drain(seen) && passes < 100) ++passes;
  EXPECT_EQ(seen.events.size(), 300u);
  EXPECT_EQ(seen.punts.size(), 200u);
  EXPECT_EQ(seen.bad, 0);
  (void)events.push(good_event());
  EXPECT_TRUE(events.must_wake()) << "it sleeps now, and wants to be woken";
}

TEST_F(WorkerLaneTest, FirstPacketsCanBeLeftToWhoeverAttachesNext) {
  (void)punt_known.push(good_punt());
  for (int i = 0; i < 3; ++i) (void)punt_new.push(good_punt());
  EXPECT_FALSE(lane.drain(seen, false)) << "there is nothing that it will take";
  EXPECT_EQ(seen.punts.size(), 1u);
  EXPECT_EQ(area.punt_new.head, 0u);
  while (lane.drain(seen)) {
  }
  EXPECT_EQ(seen.punts.size(), 4u);
}

TEST_F(WorkerLaneTest, ARingWithAnImpossibleIndexIsReportedAndNotReadForEver) {
  area.punt_new.tail.store(1'000'000'000);
  area.events.tail.store(abi::EventRing::kCapacity + 1);
  (void)punt_known.push(good_punt());
  EXPECT_FALSE(lane.drain(seen)) << "looking again at once would burn a core";
  EXPECT_EQ(seen.bad, 2);
  EXPECT_EQ(seen.punts.size(), 1u) << "the healthy ring is served";
}

TEST_F(WorkerLaneTest, MessagesThatMakeNoSenseAreReportedAndSkipped) {
  std::vector<std::function<void(abi::Event&)>> spoil = {
      [](abi::Event& e) { e.kind = static_cast<abi::EventKind>(0); },
      [](abi::Event& e) { e.kind = static_cast<abi::EventKind>(0xFFFF); },
      [](abi::Event& e) { e.session.peer_id = 16; },
      [](abi::Event& e) { e.session.peer_id = abi::kNoPeerId; },
      [](abi::Event& e) { e.session.generation = 0; },
      [](abi::Event& e) { e.endpoint.address.family = static_cast<abi::Family>(5); },
      [](abi::Event& e) { e.endpoint.address.family = abi::Family::kNone; },
      [](abi::Event& e) { e.endpoint.transport = static_cast<abi::Transport>(0); },
      [](abi::Event& e) { e.endpoint.port = 0; },
      [](abi::Event& e) { e.local.address.family = static_cast<abi::Family>(255); },
      [](abi::Event& e) { e.port = abi::kMaxPorts; },
      [](abi::Event& e) {
        e.kind = abi::EventKind::kKeyFirstUse;
        e.key_id = 8;
      },
      [](abi::Event& e) {
        e.kind = abi::EventKind::kStreamClosed;
        e.port = 0xFFFF;
      },
  };
  for (auto& how : spoil) {
    abi::Event event = good_event();
    how(event);
    (void)events.push(event);
  }
  (void)events.push(good_event());
  std::vector<std::function<void(abi::PacketMessage&)>> spoil_punt = {
      [](abi::PacketMessage& p) { p.length = 0; },
      [](abi::PacketMessage& p) { p.length = abi::kMaxControlPacket + 1; },
      [](abi::PacketMessage& p) { p.length = 0xFFFF; },
      [](abi::PacketMessage& p) { p.port = abi::kMaxPorts; },
      [](abi::PacketMessage& p) { p.remote.port = 0; },
      [](abi::PacketMessage& p) { p.remote.address.family = abi::Family::kNone; },
      [](abi::PacketMessage& p) { p.local.address.family = static_cast<abi::Family>(1); },
  };
  for (auto& how : spoil_punt) {
    abi::PacketMessage packet = good_punt();
    how(packet);
    (void)punt_new.push(packet);
  }
  abi::PacketMessage longest = good_punt();
  longest.length = abi::kMaxControlPacket;
  (void)punt_new.push(longest);
  (void)lane.drain(seen);
  EXPECT_EQ(seen.bad, static_cast<int>(spoil.size() + spoil_punt.size()));
  EXPECT_EQ(seen.events.size(), 1u);
  EXPECT_EQ(seen.punts, std::vector<size_t>{abi::kMaxControlPacket});
}

}  // namespace
}  // namespace culvert::io
