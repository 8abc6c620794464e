// Sessions on TCP connections: strict order, room before a packet-id is used, who is told of ends.
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <utility>

#include "dataplane/steps/events.h"
#include "tests/unit/support/path_rig.h"

namespace culvert {
namespace {

using abi::CommandKind;
using abi::DropReason;
using abi::EventKind;
using testing::Bytes;
using testing::ipv4_packet;
using testing::PathRig;
using testing::Peer;

/// An outer port whose connections the test plays.
class StreamPort final : public drivers::Port {
 public:
  uint16_t rx_burst(std::span<rte_mbuf*>, abi::Tally&) override { return 0; }
  void tx_burst(std::span<rte_mbuf*> packets, abi::Tally&) override {
    for (rte_mbuf* packet : packets) {
      auto* data = rte_pktmbuf_mtod(packet, const uint8_t*);
      sent.emplace_back(data, data + packet->data_len);
      rte_pktmbuf_free(packet);
    }
  }
  int wake_fd() const override { return -1; }
  bool has_room(uint64_t stream) const override { return !full.contains(stream); }
  bool keep_stream(uint64_t stream, bool keep) override {
    if (!alive) return false;
    kept[stream] = keep;
    return true;
  }
  bool has_stream(uint64_t) const override { return alive; }
  void close_stream(uint64_t stream, bool at_once, abi::Tally&) override {
    closed.emplace_back(stream, at_once);
    sent_before_end = sent.size();
  }
  void end_streams(abi::Tally&) override {
    sent_before_end = sent.size();
    for (const abi::Endpoint& remote : std::exchange(open, {})) ended.push_back(remote);
  }
  bool take_ended(abi::Endpoint& remote) override {
    if (ended.empty()) return false;
    remote = ended.front();
    ended.pop_front();
    return true;
  }
  drivers::Side side() const override { return drivers::Side::kOuter; }
  std::string name() const override { return "streams"; }

  std::vector<Bytes> sent;
  size_t sent_before_end = 0;
  std::set<uint64_t> full;
  bool alive = true;
  std::map<uint64_t, bool> kept;
  std::vector<std::pair<uint64_t, bool>> closed;
  std::deque<abi::Endpoint> ended;
  std::vector<abi::Endpoint> open;  ///< end when end_streams() says so
};

class Streams : public ::testing::Test {
 protected:
  Streams() { rig_.path->set_outer_port(3, &port_); }
  ~Streams() override { rig_.path->set_outer_port(3, nullptr); }

  Peer connect(uint32_t peer_id, uint64_t stream) {
    return rig_.connect(peer_id, [&](abi::InstallSession& session, auto&) {
      session.remote.transport = abi::Transport::kTcp;
      session.remote.stream = stream;
      session.port = 3;
      session.ping_interval = 1;
    });
  }
  void from(const Peer& peer, uint32_t packet_id) {
    rig_.from_outer(peer.seal(ipv4_packet("10.8.0.2", "192.0.2.1"), packet_id), peer.remote, 3);
  }
  std::vector<EventKind> event_kinds() {
    std::vector<EventKind> kinds;
    for (const abi::Event& event : rig_.events()) kinds.push_back(event.kind);
    return kinds;
  }

  PathRig rig_;
  StreamPort port_;
};

TEST_F(Streams, ThePacketIdsMustFollowOneAnother) {
  Peer peer = connect(0, 77);
  for (uint32_t id : {5u, 6u, 7u}) from(peer, id);
  EXPECT_EQ(rig_.sent_tun().size(), 3u) << "the first may be any";
  EXPECT_TRUE(port_.closed.empty());
  from(peer, 9);
  EXPECT_EQ(rig_.drops(DropReason::replay_gap), 1u);
  from(peer, 7);
  from(peer, 1);
  EXPECT_EQ(rig_.drops(DropReason::replay_duplicate), 2u);
  EXPECT_EQ(rig_.sent_tun().size(), 0u);
  EXPECT_EQ(port_.closed, (std::vector<std::pair<uint64_t, bool>>(3, {77, true})));
}

TEST_F(Streams, AForgeryEndsTheConnection) {
  Peer peer = connect(0, 77);
  Bytes packet = peer.seal(ipv4_packet("10.8.0.2", "192.0.2.1"));
  packet.back() ^= 1;
  rig_.from_outer(packet, peer.remote, 3);
  EXPECT_EQ(rig_.drops(DropReason::aead_bad_tag), 1u);
  EXPECT_EQ(port_.closed, (std::vector<std::pair<uint64_t, bool>>{{77, true}}));
}

TEST_F(Streams, AnotherConnectionIsAnotherPeer) {
  Peer peer = connect(0, 77);
  peer.remote.stream = 78;
  from(peer, 1);
  EXPECT_EQ(rig_.drops(DropReason::session_wrong_transport), 1u);
  peer.remote.stream = 0;
  peer.remote.transport = abi::Transport::kUdp;
  from(peer, 1);
  EXPECT_EQ(rig_.drops(DropReason::session_wrong_transport), 2u) << "no float from TCP to UDP";
  EXPECT_TRUE(port_.closed.empty()) << "a stranger can't close somebody's connection";
}

TEST_F(Streams, WhatHasNoRoomUsesUpNoPacketId) {
  Peer peer = connect(0, 77);
  rig_.from_tun(ipv4_packet("192.0.2.1", "10.8.0.2"));
  port_.full.insert(77);
  for (int i = 0; i < 5; ++i) rig_.from_tun(ipv4_packet("192.0.2.1", "10.8.0.2"));
  EXPECT_EQ(rig_.drops(DropReason::tx_queue_full), 5u);
  rig_.now += 5 * PathRig::kSecond;
  rig_.round();
  EXPECT_EQ(rig_.drops(DropReason::tx_queue_full), 6u) << "a keepalive neither";
  port_.full.clear();
  rig_.from_tun(ipv4_packet("192.0.2.1", "10.8.0.2"));
  ASSERT_EQ(port_.sent.size(), 2u);
  auto first = peer.open(port_.sent[0]);
  auto second = peer.open(port_.sent[1]);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(second->packet_id, first->packet_id + 1);
}

TEST_F(Streams, ThePortKnowsWhichHaveASession) {
  connect(0, 77);
  EXPECT_TRUE(port_.kept.at(77));
  rig_.remove({0, 1});
  EXPECT_FALSE(port_.kept.at(77));
  EXPECT_TRUE(port_.closed.empty()) << "the goodbye still goes out on it";
  rig_.apply(CommandKind::kCloseStream, {0, 1}, [](auto& body) {
    body.stream = {PathRig::settings(0).remote, 3};
    body.stream.remote.transport = abi::Transport::kTcp;
    body.stream.remote.stream = 77;
  });
  EXPECT_EQ(port_.closed, (std::vector<std::pair<uint64_t, bool>>{{77, false}}));
}

TEST_F(Streams, WhatControlHasSaidGoesOutBeforeTheEnd) {
  abi::PacketMessage goodbye{};
  goodbye.remote = connect(0, 77).remote;
  goodbye.port = 3;
  goodbye.length = 20;
  rig_.path->send_control(goodbye);
  rig_.apply(CommandKind::kCloseStream, {0, 1}, [&](auto& body) { body.stream = {goodbye.remote, 3}; });
  EXPECT_EQ(port_.sent_before_end, 1u);
  rig_.path->send_control(goodbye);
  rig_.path->end_streams(3);
  EXPECT_EQ(port_.sent_before_end, 2u);
}

TEST_F(Streams, BadCloseCommandsAreRefused) {
  rig_.apply(CommandKind::kCloseStream, {0, 1}, [](auto& body) { body.stream = {PathRig::settings(0).remote, 3}; });
  EXPECT_EQ(rig_.drops(DropReason::link_bad_message), 1u) << "UDP has no connections";
  rig_.apply(CommandKind::kCloseStream, {0, 1}, [](auto& body) {
    body.stream = {PathRig::settings(0).remote, 256};
    body.stream.remote.transport = abi::Transport::kTcp;
  });
  EXPECT_EQ(rig_.drops(DropReason::link_bad_message), 2u);
  EXPECT_TRUE(port_.closed.empty());
}

TEST_F(Streams, ControlHearsOfEveryEnd) {
  Peer peer = connect(0, 77);
  port_.ended = {peer.remote, PathRig::settings(5).remote};
  port_.ended[1].transport = abi::Transport::kTcp;
  port_.ended[1].stream = 99;
  rig_.path->take_ended_streams(3);
  auto events = rig_.events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].kind, EventKind::kStreamClosed) << "one of a handshake";
  EXPECT_EQ(events[0].endpoint.stream, 99u);
  EXPECT_EQ(events[1].kind, EventKind::kStreamClosed);
  EXPECT_EQ(events[1].endpoint, peer.remote);
  EXPECT_EQ(events[1].session, peer.session);
}

TEST_F(Streams, ControlHearsOfThoseThatEndWithTheirPort) {
  Peer peer = connect(0, 77);
  port_.open = {peer.remote};
  rig_.path->end_streams(3);
  auto events = rig_.events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, EventKind::kStreamClosed);
  EXPECT_EQ(events[0].session, peer.session);
}

TEST_F(Streams, ASessionInstalledTooLateIsReported) {
  port_.alive = false;
  Peer peer = connect(0, 77);
  rig_.path->outer_burst({}, rig_.now);
  auto events = rig_.events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, EventKind::kStreamClosed);
  EXPECT_EQ(events[0].session, peer.session);
}

TEST_F(Streams, ADataplaneThatTakesOverHasItsSessionsBeforeItsPorts) {
  for (uint16_t index = 0; index < 4; ++index) rig_.path->set_outer_port(index, nullptr);
  connect(0, 77);
  connect(1, 78);
  EXPECT_EQ(event_kinds(), std::vector<EventKind>{}) << "their connections may still come";
  StreamPort other;
  rig_.path->set_outer_port(4, &other);
  EXPECT_TRUE(other.kept.empty());
  rig_.path->set_outer_port(3, &port_);
  EXPECT_EQ(port_.kept, (std::map<uint64_t, bool>{{77, true}, {78, true}}));
  EXPECT_EQ(event_kinds(), std::vector<EventKind>{});
  rig_.path->set_outer_port(4, nullptr);
}

TEST_F(Streams, WhereTheConnectionsWereNotLeftControlIsTold) {
  for (uint16_t index = 0; index < 4; ++index) rig_.path->set_outer_port(index, nullptr);
  Peer peer = connect(0, 77);
  rig_.connect(1);  // over UDP
  port_.alive = false;
  rig_.path->set_outer_port(3, &port_);
  auto events = rig_.events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, EventKind::kStreamClosed);
  EXPECT_EQ(events[0].session, peer.session);
}

TEST_F(Streams, WhoSpeaksIntoNothingIsTold) {
  abi::PacketMessage message{};
  message.remote = PathRig::settings(5).remote;
  message.remote.transport = abi::Transport::kTcp;
  message.remote.stream = 99;
  message.port = 3;
  message.length = 20;
  rig_.path->send_control(message);
  EXPECT_EQ(event_kinds(), std::vector<EventKind>{});
  port_.alive = false;
  rig_.path->send_control(message);
  auto events = rig_.events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, EventKind::kStreamClosed);
  EXPECT_EQ(events[0].endpoint, message.remote);
  EXPECT_EQ(events[0].port, 3);
}

TEST_F(Streams, TheNextDataplaneGoesOnWithoutAGap) {
  Peer peer = connect(0, 77);
  for (int i = 0; i < 3; ++i) rig_.from_tun(ipv4_packet("192.0.2.1", "10.8.0.2"));
  EXPECT_EQ(rig_.record(0).send_reserved[0], session::SendKey::kReserve) << "for when it crashes";
  rig_.path->give_back_packet_ids();
  EXPECT_EQ(rig_.record(0).send_reserved[0], 4u);
  rig_.from_tun(ipv4_packet("192.0.2.1", "10.8.0.2"));
  EXPECT_EQ(rig_.record(0).send_reserved[0], session::SendKey::kReserve) << "whoever goes on all the same, reserves";
  ASSERT_EQ(port_.sent.size(), 4u);
  EXPECT_EQ(peer.open(port_.sent[3])->packet_id, 4u);
}

TEST_F(Streams, EndsOfHandshakesAreKeptUpToALimitWhileControlDoesNotRead) {
  constexpr size_t kKept = abi::EventRing::kCapacity + steps::Events::kMaxStreams;
  abi::Endpoint remote = PathRig::settings(5).remote;
  remote.transport = abi::Transport::kTcp;
  for (size_t i = 0; i < kKept + 10; ++i) {
    remote.stream = 1000 + i;
    port_.ended = {remote};
    rig_.path->take_ended_streams(3);
  }
  EXPECT_EQ(rig_.counter(abi::Counter::events_lost), 10u);
  size_t told = 0;
  for (size_t now = rig_.events().size(); now > 0; now = rig_.events().size()) {
    told += now;
    rig_.path->tick(rig_.now);
  }
  EXPECT_EQ(told, kKept);
}

TEST_F(Streams, EndsAreNotLostWhenTheRingIsFull) {
  Peer peer = connect(0, 77);
  abi::Endpoint other = peer.remote;
  for (uint64_t i = 0; i < abi::EventRing::kCapacity; ++i) {
    other.stream = 1000 + i;
    port_.ended.push_back(other);
  }
  port_.ended.push_back(peer.remote);
  rig_.path->take_ended_streams(3);
  EXPECT_EQ(rig_.events().size(), abi::EventRing::kCapacity);
  rig_.path->tick(rig_.now);
  EXPECT_EQ(event_kinds(), std::vector<EventKind>{EventKind::kStreamClosed});
}

}  // namespace
}  // namespace culvert
