// Time: keepalives, silent peers, progress in the records, and events when control does not read.
#include <gtest/gtest.h>

#include "tests/unit/support/path_rig.h"

namespace culvert {
namespace {

using abi::DropReason;
using abi::Event;
using abi::EventKind;
using testing::Bytes;
using testing::endpoint;
using testing::ipv4_packet;
using testing::PathRig;
using testing::Peer;

size_t count(const std::vector<Event>& events, EventKind kind) {
  return static_cast<size_t>(std::ranges::count(events, kind, &Event::kind));
}

TEST(Tick, NothingToDoWithoutSessions) {
  PathRig rig;
  EXPECT_EQ(rig.path->next_tick_ns(), UINT64_MAX);
  rig.connect(0);
  EXPECT_LE(rig.path->next_tick_ns(), rig.now + PathRig::kSecond);
  rig.remove({0, 1});
  EXPECT_EQ(rig.path->next_tick_ns(), UINT64_MAX);
}

TEST(Keepalive, GoesOutAfterTheIntervalWithoutSending) {
  PathRig rig;
  Peer peer = rig.connect(0, [](auto& session, auto&) { session.ping_interval = 10; });
  size_t sent = 0;
  for (int second = 1; second <= 35; ++second) {
    rig.round();
    for (auto& packet : rig.sent_outer()) {
      auto opened = peer.open(packet.bytes);
      ASSERT_TRUE(opened);
      EXPECT_EQ(opened->inner, Bytes(wire::kPingMagic.begin(), wire::kPingMagic.end()));
      EXPECT_EQ(packet.to.remote, peer.remote);
      EXPECT_EQ(second % 10, 0);
      ++sent;
    }
  }
  EXPECT_EQ(sent, 3u);
  EXPECT_EQ(rig.counter(abi::Counter::pings_sent), 3u);

  rig.from_tun(ipv4_packet("192.0.2.1", "10.8.0.2"));  // traffic puts it off
  rig.sent_outer();
  for (int second = 1; second < 10; ++second) rig.round();
  EXPECT_TRUE(rig.sent_outer().empty());
  rig.round();
  EXPECT_EQ(rig.sent_outer().size(), 1u);
}

TEST(Keepalive, IsNoTraffic) {
  PathRig rig;
  Peer peer = rig.connect(0, [](auto& session, auto&) { session.ping_interval = 1; });
  rig.from_peer(peer, Bytes(wire::kPingMagic.begin(), wire::kPingMagic.end()));
  for (int second = 0; second < 5; ++second) rig.round();
  EXPECT_GT(rig.sent_outer().size(), 2u);
  const abi::WorkerRecord& record = rig.record(0);
  EXPECT_EQ(record.tx_packets + record.tx_bytes + record.rx_packets + record.rx_bytes, 0u);
  EXPECT_EQ(record.last_rx_ns, 1000 * PathRig::kSecond) << "but a sign of life";
}

TEST(Keepalive, NoneWithoutKeyOrInterval) {
  PathRig rig;
  rig.connect(0);
  abi::InstallSession settings = PathRig::settings(1);
  settings.ping_interval = 1;
  rig.install({1, 1}, settings);
  for (int second = 0; second < 20; ++second) rig.round();
  EXPECT_TRUE(rig.sent_outer().empty());
  EXPECT_TRUE(rig.dropped().empty());
}

TEST(Keepalive, TenThousandSessionsAreVisitedInPortions) {
  PathRig rig(200);
  for (uint32_t i = 0; i < 200; ++i)
    rig.connect(i, [&](auto& session, auto&) {
      session.ping_interval = 1;
      session.remote = endpoint("198.51.100.1", static_cast<uint16_t>(1000 + i));
    });
  rig.now += 5 * PathRig::kSecond;
  size_t ticks = 0;
  do {
    rig.path->tick(rig.now);
    rig.path->flush();
    size_t sent = rig.sent_outer().size();
    EXPECT_LE(sent, 64u);
    ++ticks;
  } while (rig.path->next_tick_ns() <= rig.now);
  EXPECT_EQ(ticks, 4u);
  EXPECT_EQ(rig.counter(abi::Counter::pings_sent), 200u);
}

TEST(PeerTimeout, IsSaidAfterTheSilenceAndAgainAfterEachFurtherOne) {
  PathRig rig;
  Peer peer = rig.connect(0, [](auto& session, auto&) { session.ping_timeout = 30; });
  rig.from_peer(peer, ipv4_packet("10.8.0.2", "192.0.2.1"));
  rig.events();
  rig.sent_tun();
  for (int second = 1; second <= 65; ++second) {
    rig.round();
    EXPECT_EQ(count(rig.events(), EventKind::kPeerTimeout), second == 30 || second == 60) << second;
  }
  rig.from_peer(peer, ipv4_packet("10.8.0.2", "192.0.2.1"));
  for (int second = 1; second < 30; ++second) rig.round();
  EXPECT_EQ(count(rig.events(), EventKind::kPeerTimeout), 0u);
  rig.sent_tun();
}

TEST(PeerTimeout, ForgedPacketsDoNotKeepASessionAlive) {
  PathRig rig;
  Peer peer = rig.connect(0, [](auto& session, auto&) { session.ping_timeout = 10; });
  for (int second = 1; second <= 10; ++second) {
    Bytes forged = peer.seal(ipv4_packet("10.8.0.2", "192.0.2.1"));
    forged.back() ^= 1;
    rig.from_outer(forged, peer.remote);
    rig.round();
  }
  EXPECT_EQ(count(rig.events(), EventKind::kPeerTimeout), 1u);
}

TEST(Progress, StandsInTheRecords) {
  PathRig rig;
  Peer peer = rig.connect(0);
  rig.now += 7;
  for (int i = 0; i < 3; ++i) rig.from_peer(peer, ipv4_packet("10.8.0.2", "192.0.2.1", 80));
  rig.from_tun(ipv4_packet("192.0.2.1", "10.8.0.2", 180));
  uint64_t when = rig.now;
  rig.round();
  abi::WorkerRecord& record = rig.record(0);
  EXPECT_EQ(record.rx_packets.load(), 3u);
  EXPECT_EQ(record.rx_bytes.load(), 300u);
  EXPECT_EQ(record.tx_packets.load(), 1u);
  EXPECT_EQ(record.tx_bytes.load(), 200u);
  EXPECT_EQ(record.last_rx_ns.load(), when);
  EXPECT_EQ(record.last_tx_ns.load(), when);
  EXPECT_EQ(rig.highest_seen(0), 3u);
  EXPECT_EQ(record.send_reserved[0].load(), 65536u);

  rig.path->publish();
  abi::Tally published = rig.link.view().worker(0).counters.read();
  EXPECT_EQ(published.counters[static_cast<size_t>(abi::Counter::outer_rx_packets)], 3u);
  EXPECT_EQ(published.counters[static_cast<size_t>(abi::Counter::inner_rx_bytes)], 200u);
}

TEST(Progress, WhatWasSeenIsRecordedWithItsBurst) {
  // Whoever takes over after a crash closes the replay window up to this; a second's delay would be a second of
  // replays.
  PathRig rig;
  Peer peer = rig.connect(0);
  const auto& highest = rig.link.view().seen(0).highest[0];
  Bytes first = peer.seal(ipv4_packet("10.8.0.2", "192.0.2.1"));
  Bytes second = peer.seal(ipv4_packet("10.8.0.2", "192.0.2.1"));
  rig.from_outer(second, peer.remote);
  EXPECT_EQ(highest.load(), 2u);
  rig.from_outer(first, peer.remote);
  EXPECT_EQ(highest.load(), 2u) << "an older one takes nothing back";
}

TEST(Events, AreMergedWhileTheRingIsFullAndThenSaid) {
  PathRig rig;
  Peer peer = rig.connect(0);
  for (uint64_t i = 0; i < abi::EventRing::kCapacity; ++i) rig.with_key(abi::CommandKind::kSendWithKey, {0, 9}, 0);
  for (uint16_t port = 1; port <= 5; ++port)
    rig.from_outer(peer.seal(ipv4_packet("10.8.0.2", "192.0.2.1")), endpoint("198.51.100.200", port));
  EXPECT_EQ(rig.counter(abi::Counter::events_lost), 4u) << "five floats became one";
  EXPECT_LE(rig.path->next_tick_ns(), rig.now + PathRig::kSecond) << "it asks to be called again";

  EXPECT_EQ(count(rig.events(), EventKind::kCommandRefused), abi::EventRing::kCapacity);
  rig.path->tick(rig.now);
  auto events = rig.events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].kind, EventKind::kFloated);
  EXPECT_EQ(events[0].endpoint, endpoint("198.51.100.200", 5)) << "the latest place";
  EXPECT_EQ(events[1].kind, EventKind::kKeyFirstUse);
  rig.sent_tun();
}

TEST(Events, ThoseOfARemovedSessionAreForgotten) {
  PathRig rig;
  Peer peer = rig.connect(0);
  for (uint64_t i = 0; i < abi::EventRing::kCapacity; ++i) rig.with_key(abi::CommandKind::kSendWithKey, {0, 9}, 0);
  rig.from_peer(peer, ipv4_packet("10.8.0.2", "192.0.2.1"));
  rig.remove(peer.session);
  rig.install({0, 2}, PathRig::settings(0));
  rig.events();
  rig.path->tick(rig.now);
  EXPECT_TRUE(rig.events().empty());
  rig.sent_tun();
}

TEST(Commands, AreCountedAnsweredAndWiped) {
  PathRig rig;
  abi::Command command{};
  command.kind = abi::CommandKind::kInstallKey;
  command.session = {5, 1};
  command.body.install_key = PathRig::key(0, 1);
  rig.path->apply(command, rig.now);
  auto* bytes = reinterpret_cast<const uint8_t*>(&command);
  EXPECT_TRUE(std::all_of(bytes, bytes + sizeof command, [](uint8_t byte) { return byte == 0; }));
  EXPECT_EQ(rig.counter(abi::Counter::commands_refused), 1u);
  EXPECT_EQ(rig.drops(DropReason::link_bad_message), 0u) << "late, but well formed";
  auto events = rig.events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, EventKind::kCommandRefused);
  EXPECT_EQ(events[0].detail, static_cast<uint16_t>(abi::CommandKind::kInstallKey));
  EXPECT_EQ(events[0].session, (abi::SessionRef{5, 1}));

  rig.connect(5);
  EXPECT_EQ(rig.counter(abi::Counter::commands), 2u);
  EXPECT_EQ(rig.path->session_count(), 1u);
}

TEST(SendControl, GoesOutAsItIs) {
  PathRig rig;
  abi::PacketMessage message{};
  message.remote = endpoint("198.51.100.1", 4000);
  message.local = endpoint("203.0.113.9", 1194);
  message.length = 100;
  message.data.fill(0x42);
  rig.path->send_control(message);
  rig.path->flush();
  auto sent = rig.sent_outer();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].bytes, Bytes(100, 0x42));
  EXPECT_EQ(sent[0].to.remote, message.remote);
  EXPECT_EQ(sent[0].to.local, message.local);
  EXPECT_EQ(rig.counter(abi::Counter::control_tx_packets), 1u);

  for (uint32_t length : {0u, abi::kMaxControlPacket + 1, 65535u}) {
    message.length = static_cast<uint16_t>(length);
    rig.path->send_control(message);
  }
  EXPECT_EQ(rig.drops(DropReason::link_bad_message), 3u);
  message.length = 100;
  message.port = 200;
  rig.path->send_control(message);
  message.port = 65535;
  rig.path->send_control(message);
  EXPECT_EQ(rig.drops(DropReason::tx_port_down), 2u);
}

TEST(WakeControl, OnlyWhenItSleepsAndThereIsSomething) {
  PathRig rig;
  EXPECT_FALSE(rig.path->must_wake_control());
  ASSERT_TRUE(rig.punt_known_reader.prepare_to_sleep());
  EXPECT_FALSE(rig.path->must_wake_control());
  rig.from_outer(Bytes(50, 0x20), endpoint("192.0.2.78", 5));
  EXPECT_TRUE(rig.path->must_wake_control());
  EXPECT_FALSE(rig.path->must_wake_control()) << "once";
  rig.from_outer(Bytes(50, 0x20), endpoint("192.0.2.78", 5));
  EXPECT_FALSE(rig.path->must_wake_control()) << "it is awake";
}

}  // namespace
}  // namespace culvert
