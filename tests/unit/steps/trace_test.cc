// What a trace sees of packets: all filters, both ways, drops of every kind, and that nothing of it changes the path.
#include "dataplane/steps/trace.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/unit/support/path_rig.h"
#include "tests/unit/support/watcher.h"

namespace culvert {
namespace {

using abi::DropReason;
using abi::PacketContent;
using testing::Bytes;
using testing::ipv4_packet;
using testing::ipv6_packet;
using testing::PathRig;
using testing::Peer;

using Seen = testing::Watcher::Seen;

/// A path rig that is traced.
class TraceRig : public PathRig {
 public:
  explicit TraceRig(auto change, uint32_t slots = 256) : watcher(change, slots) { watcher.follow(*path); }
  TraceRig() : TraceRig([](auto&) {}) {}
  ~TraceRig() { path.reset(); }

  std::vector<Seen> seen() { return watcher.seen(); }
  Seen only() {
    std::vector<Seen> all = seen();
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? Seen{} : all[0];
  }

  testing::Watcher watcher;
};

void copy(abi::TraceRequest& what, PacketContent content, uint32_t snap = 2048) {
  what.content = content;
  what.snap = snap;
}

TEST(Trace, APacketIntoTheTunIsTakenByRoute) {
  TraceRig rig;
  Peer peer = rig.connect(3);
  Bytes inner = ipv4_packet("10.8.0.5", "192.0.2.1");
  Bytes outer = peer.seal(inner);
  rig.from_outer(outer, peer.remote);
  auto seen = rig.only();
  EXPECT_EQ(seen.step(), "route");
  EXPECT_EQ(seen.reason(), "");
  EXPECT_EQ(seen.entry.time_ns, rig.now);
  EXPECT_EQ(seen.entry.direction, abi::trace_direction::kFromClient);
  EXPECT_EQ(seen.entry.session, peer.session);
  EXPECT_EQ(seen.entry.to.peer_id, abi::kNoPeerId);
  EXPECT_EQ(seen.entry.remote, peer.remote);
  EXPECT_EQ(seen.entry.outer_length, outer.size());
  EXPECT_EQ(seen.entry.inner_length, inner.size());
  EXPECT_EQ(seen.entry.inner_version, 4);
  EXPECT_TRUE(std::equal(inner.begin() + 12, inner.begin() + 16, seen.entry.inner_source.begin()));
  EXPECT_TRUE(std::equal(inner.begin() + 16, inner.begin() + 20, seen.entry.inner_destination.begin()));
  EXPECT_EQ(rig.sent_tun(), std::vector<Bytes>{inner});
}

TEST(Trace, APacketToAClientIsTakenBySendOuter) {
  TraceRig rig;
  Peer peer = rig.connect(0);
  Bytes inner = ipv6_packet("2001:db8::1", "fd00::2");
  rig.from_tun(inner);
  auto seen = rig.only();
  EXPECT_EQ(seen.step(), "send_outer");
  EXPECT_EQ(seen.entry.direction, abi::trace_direction::kToClient);
  EXPECT_EQ(seen.entry.session, peer.session);
  EXPECT_EQ(seen.entry.remote, peer.remote);
  EXPECT_EQ(seen.entry.inner_version, 6);
  EXPECT_EQ(seen.entry.inner_length, inner.size());
  auto sent = rig.sent_outer();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(seen.entry.outer_length, sent[0].bytes.size());
  EXPECT_EQ(peer.open(sent[0].bytes)->inner, inner);
}

TEST(Trace, ABurstIsSeenPacketByPacket) {
  TraceRig rig;
  Peer peer = rig.connect(0);
  std::vector<rte_mbuf*> burst;
  for (uint8_t i = 0; i < 100; ++i) {
    Bytes bytes = peer.seal(ipv4_packet(i % 3 == 0 ? "10.9.9.9" : "10.8.0.2", "192.0.2." + std::to_string(i)));
    if (i % 5 == 0) bytes.back() ^= 1;
    burst.push_back(rig.outer_packet(bytes, peer.remote));
  }
  rig.path->outer_burst(burst, rig.now);
  rig.path->flush();
  size_t taken = 0, forged = 0, refused = 0;
  for (const auto& seen : rig.seen()) {
    taken += seen.step() == "route";
    forged += seen.step() == "open" && seen.reason() == "aead_bad_tag";
    refused += seen.step() == "check_source" && seen.reason() == "inner_source_not_allowed";
    EXPECT_EQ(seen.entry.session, peer.session);
    bool reads_inside = seen.entry.inner_version != 0;
    EXPECT_EQ(reads_inside, seen.step() != "open");  // nothing inside of a forged one can be believed
  }
  EXPECT_EQ(forged, 20u);
  EXPECT_EQ(refused, 27u);
  EXPECT_EQ(taken, 53u);
  EXPECT_EQ(rig.sent_tun().size(), 53u);
}

TEST(Trace, BetweenTwoClientsBothAreNamed) {
  TraceRig rig([](auto& what) { copy(what, PacketContent::kInner); });
  auto may = [](auto& session, auto&) { session.flags |= abi::session_flag::kClientToClient; };
  Peer from = rig.connect(0, may), to = rig.connect(1, may);
  Bytes inner = ipv4_packet("10.8.0.2", "10.8.0.3");
  rig.from_peer(from, inner);
  auto seen = rig.only();
  EXPECT_EQ(seen.step(), "send_outer");
  EXPECT_EQ(seen.entry.session, from.session);
  EXPECT_EQ(seen.entry.to, to.session);
  EXPECT_EQ(seen.bytes, inner);
  EXPECT_EQ(to.open(rig.sent_outer().at(0).bytes)->inner, inner);
}

TEST(Trace, BetweenTwoClientsBothTunnelPacketsAreCopied) {
  TraceRig rig([](auto& what) { copy(what, PacketContent::kOuter); });
  auto may = [](auto& session, auto&) { session.flags |= abi::session_flag::kClientToClient; };
  Peer from = rig.connect(0, may), to = rig.connect(1, may);
  Bytes outer = from.seal(ipv4_packet("10.8.0.2", "10.8.0.3"));
  rig.from_outer(outer, from.remote);
  auto seen = rig.seen();
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].bytes, outer);
  EXPECT_EQ(seen[0].entry.remote, from.remote);
  EXPECT_EQ(seen[1].bytes, rig.sent_outer().at(0).bytes);
  EXPECT_EQ(seen[1].entry.remote, to.remote);
}

TEST(Trace, CopiesTheFormThatWasAskedFor) {
  for (PacketContent content : {PacketContent::kInner, PacketContent::kOuter}) {
    for (uint32_t snap : {2048u, 30u}) {
      TraceRig rig([&](auto& what) { copy(what, content, snap); });
      Peer peer = rig.connect(0);
      Bytes in = ipv4_packet("10.8.0.2", "192.0.2.1"), out = ipv4_packet("192.0.2.1", "10.8.0.2");
      Bytes outer = peer.seal(in);
      rig.from_outer(outer, peer.remote);
      rig.from_tun(out);
      auto seen = rig.seen();
      ASSERT_EQ(seen.size(), 2u);
      bool inner = content == PacketContent::kInner;
      Bytes sealed = rig.sent_outer().at(0).bytes;
      auto cut = [&](Bytes bytes) {
        bytes.resize(std::min<size_t>(bytes.size(), snap));
        return bytes;
      };
      EXPECT_EQ(seen[0].bytes, cut(inner ? in : outer));
      EXPECT_EQ(seen[1].bytes, cut(inner ? out : sealed));
      EXPECT_EQ(seen[0].entry.content, content);
      EXPECT_EQ(rig.sent_tun().at(0), in);
    }
  }
}

TEST(Trace, AForgedPacketIsCopiedAsItCame) {
  for (uint8_t drops_only : {0, 1}) {
    TraceRig rig([&](auto& what) {
      copy(what, PacketContent::kOuter);
      what.drops_only = drops_only;
    });
    Peer peer = rig.connect(0);
    Bytes outer = peer.seal(ipv4_packet("10.8.0.2", "192.0.2.1"));
    outer.back() ^= 1;
    rig.from_outer(outer, peer.remote);
    auto seen = rig.only();
    EXPECT_EQ(seen.reason(), "aead_bad_tag");
    EXPECT_EQ(seen.bytes, outer);
  }
}

TEST(Trace, OneSession) {
  TraceRig rig([](auto& what) { what.session = {1, 1}; });
  Peer one = rig.connect(1), two = rig.connect(2);
  rig.from_peer(one, ipv4_packet("10.8.0.3", "192.0.2.1"));
  rig.from_peer(two, ipv4_packet("10.8.0.4", "192.0.2.1"));
  rig.from_tun(ipv4_packet("192.0.2.1", "10.8.0.3"));
  rig.from_tun(ipv4_packet("192.0.2.1", "10.8.0.4"));
  // Without a session of its own, but from the client's address: punted, and one of an unknown peer-id.
  rig.from_outer(Bytes{wire::opcode_byte(wire::Opcode::kAck, 0), 1, 2, 3, 4, 5, 6, 7, 8, 0}, one.remote);
  rig.from_outer(Bytes(60, 0x48), one.remote);
  rig.from_outer(Bytes(60, 0x48), two.remote);
  auto seen = rig.seen();
  ASSERT_EQ(seen.size(), 4u);
  EXPECT_EQ(seen[0].entry.session, one.session);
  EXPECT_EQ(seen[1].entry.session, one.session);
  EXPECT_EQ(seen[2].step(), "classify");
  EXPECT_EQ(seen[3].reason(), "session_unknown_peer_id");
  // Another life of the same peer-id is another session.
  rig.remove(one.session);
  rig.install({1, 2}, PathRig::settings(1));
  rig.install({1, 2}, PathRig::key(0, 2));
  rig.from_tun(ipv4_packet("192.0.2.1", "10.8.0.3"));
  EXPECT_TRUE(rig.seen().empty());
}

TEST(Trace, OneOuterAddress) {
  TraceRig rig([](auto& what) { what.remote = *abi::parse_ip("198.51.100.3"); });
  Peer one = rig.connect(1), two = rig.connect(2);
  for (Peer* peer : {&one, &two}) {
    rig.from_outer(Bytes(60, 0x48), peer->remote);
    rig.from_peer(*peer, ipv4_packet("10.8.0.99", "192.0.2.1"));
  }
  auto seen = rig.seen();
  ASSERT_EQ(seen.size(), 2u);
  for (const auto& one_seen : seen) EXPECT_EQ(one_seen.entry.remote, two.remote);
}

TEST(Trace, OneDirectionOneReasonAndDropsOnly) {
  auto drive = [](TraceRig& rig) {
    Peer peer = rig.connect(0);
    rig.from_peer(peer, ipv4_packet("10.8.0.2", "192.0.2.1"));
    rig.from_peer(peer, ipv4_packet("10.8.0.9", "192.0.2.1"));
    rig.from_peer(peer, Bytes(60, 1));
    rig.from_tun(ipv4_packet("192.0.2.1", "10.8.0.2"));
    rig.from_tun(ipv4_packet("192.0.2.1", "10.8.0.77"));
    std::vector<std::string> what;
    for (const auto& seen : rig.seen()) what.push_back(seen.step() + " " + seen.reason());
    return what;
  };
  using List = std::vector<std::string>;
  const List all = {"route ", "check_source inner_source_not_allowed", "check_inner inner_malformed", "send_outer ",
                    "route inner_no_route"};
  TraceRig everything;
  EXPECT_EQ(drive(everything), all);
  TraceRig in([](auto& what) { what.directions = abi::trace_direction::kFromClient; });
  EXPECT_EQ(drive(in), List(all.begin(), all.begin() + 3));
  TraceRig out([](auto& what) { what.directions = abi::trace_direction::kToClient; });
  EXPECT_EQ(drive(out), List(all.begin() + 3, all.end()));
  TraceRig drops([](auto& what) { what.drops_only = 1; });
  EXPECT_EQ(drive(drops), (List{all[1], all[2], all[4]}));
  TraceRig reason([](auto& what) {
    what.drops_only = 1;
    what.reason = static_cast<uint16_t>(DropReason::inner_no_route);
  });
  EXPECT_EQ(drive(reason), List{all[4]});
}

TEST(Trace, EveryNthPacketAndEveryNthDrop) {
  TraceRig packets([](auto& what) { what.every = 10; });
  Peer peer = packets.connect(0);
  std::vector<rte_mbuf*> burst;
  for (uint8_t i = 0; i < 100; ++i)
    burst.push_back(
        packets.outer_packet(peer.seal(ipv4_packet("10.8.0.2", "192.0.2." + std::to_string(i))), peer.remote));
  packets.path->outer_burst(burst, packets.now);
  packets.path->flush();
  auto seen = packets.seen();
  ASSERT_EQ(seen.size(), 10u);
  for (size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i].entry.inner_destination[3], i * 10);
  EXPECT_EQ(packets.sent_tun().size(), 100u);

  TraceRig drops([](auto& what) {
    what.every = 4;
    what.drops_only = 1;
  });
  Peer other = drops.connect(0);
  for (uint8_t i = 0; i < 12; ++i) {
    drops.from_peer(other, ipv4_packet("10.8.0.2", "192.0.2.1"));
    drops.from_peer(other, ipv4_packet("10.8.0.9", "192.0.2." + std::to_string(i)));
  }
  seen = drops.seen();
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen[1].entry.inner_destination[3], 4);
}

/// The inner packet of number `i`, from an address that is not the client's when `i` is a multiple of three.
Bytes numbered(uint8_t i) {
  return ipv4_packet(i % 3 == 0 ? "10.9.9.9" : "10.8.0.2", "192.0.2." + std::to_string(i));
}

TEST(Trace, PacketsThatAreLookedAtKeepTheirPlaceBetweenTheOthers) {
  for (uint32_t every : {1u, 2u, 7u}) {
    TraceRig rig([&](auto& what) {
      copy(what, PacketContent::kInner);
      what.every = every;
    });
    Peer peer = rig.connect(0);
    std::vector<rte_mbuf*> burst;
    std::vector<Bytes> go_on;
    for (uint8_t i = 0; i < 100; ++i) {
      bool forged = i % 5 == 0;
      Bytes outer = peer.seal(numbered(i));
      if (forged) outer.back() ^= 1;
      burst.push_back(rig.outer_packet(outer, peer.remote));
      if (!forged && i % 3 != 0) go_on.push_back(numbered(i));
    }
    rig.path->outer_burst(burst, rig.now);
    rig.path->flush();
    EXPECT_EQ(rig.sent_tun(), go_on) << every;

    // By number: what one pass drops is told before what the next one does.
    std::map<uint32_t, std::string> told;
    for (const Seen& seen : rig.seen()) {
      if (seen.step() == "open") continue;  // no number can be read in a forged one
      uint8_t number = seen.entry.inner_destination[3];
      EXPECT_EQ(seen.bytes, numbered(number));
      EXPECT_TRUE(told.emplace(number, seen.reason()).second);
    }
    std::map<uint32_t, std::string> expected;
    for (uint8_t i = 0; i < 100; ++i)
      if (i % every == 0 && i % 5 != 0) expected[i] = i % 3 == 0 ? "inner_source_not_allowed" : "";
    EXPECT_EQ(told, expected) << every;
  }
}

TEST(Trace, PacketsToAClientKeepTheirOrderAndPacketIds) {
  TraceRig rig([](auto& what) { what.every = 7; });
  Peer peer = rig.connect(0);
  std::vector<rte_mbuf*> burst;
  auto to_client = [](uint8_t i) { return ipv4_packet("192.0.2." + std::to_string(i), "10.8.0.2"); };
  for (uint8_t i = 0; i < 64; ++i) burst.push_back(rig.pool.packet(to_client(i)));
  rig.path->inner_burst(burst, rig.now);
  rig.path->flush();
  auto sent = rig.sent_outer();
  ASSERT_EQ(sent.size(), 64u);
  for (uint8_t i = 0; i < 64; ++i) {
    auto opened = peer.open(sent[i].bytes);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->packet_id, i + 1u);
    EXPECT_EQ(opened->inner, to_client(i));
  }
  auto seen = rig.seen();
  ASSERT_EQ(seen.size(), 10u);
  for (size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i].entry.inner_source[3], i * 7);
}

TEST(Trace, DropsThatNoStepSawAreToldByNumber) {
  TraceRig rig;
  abi::PacketMessage nonsense{};
  nonsense.length = 0;
  rig.path->send_control(nonsense);
  rig.path->send_control(nonsense);
  rig.path->tally().drop(DropReason::tx_queue_full, 5);  // as a port does
  Peer peer = rig.connect(0);
  rig.now += PathRig::kSecond;
  rig.from_peer(peer, ipv4_packet("10.8.0.9", "192.0.2.1"));  // told by its step, not twice
  std::vector<std::pair<std::string, uint32_t>> told;
  for (const auto& seen : rig.seen())
    if (seen.step() == "elsewhere") told.push_back({seen.reason(), seen.entry.count});
  std::sort(told.begin(), told.end());
  EXPECT_EQ(told, (std::vector<std::pair<std::string, uint32_t>>{{"link_bad_message", 2}, {"tx_queue_full", 5}}));
}

TEST(Trace, ControlPacketsAndKeepalivesAreSeen) {
  TraceRig rig([](auto& what) { copy(what, PacketContent::kOuter); });
  Peer peer = rig.connect(0, [](auto& session, auto&) { session.ping_interval = 1; });
  abi::PacketMessage message{};
  message.remote = peer.remote;
  message.length = 30;
  message.data.fill(7);
  rig.path->send_control(message);
  rig.now += 2 * PathRig::kSecond;
  rig.round();
  rig.from_peer(peer, Bytes(wire::kPingMagic.begin(), wire::kPingMagic.end()));
  std::vector<std::string> steps;
  for (const auto& seen : rig.seen()) steps.push_back(seen.step());
  EXPECT_EQ(steps, (std::vector<std::string>{"send_control", "send_outer", "take_tunnel_messages"}));
  rig.sent_outer();
}

TEST(Trace, WhatWasDroppedBeforeItIsNotToldOf) {
  PathRig rig;
  Peer peer = rig.connect(0);
  rig.path->tally().drop(DropReason::tx_queue_full, 5);
  testing::Watcher watcher([](auto&) {}, 256);
  watcher.follow(*rig.path);
  rig.now += PathRig::kSecond;
  rig.from_peer(peer, ipv4_packet("10.8.0.2", "192.0.2.1"));
  EXPECT_EQ(watcher.seen().size(), 1u) << "the packet";
  rig.sent_tun();
  rig.path.reset();  // before the watcher
}

TEST(Trace, PortsAreReadWhereThereAreSome) {
  TraceRig rig;
  Peer peer = rig.connect(0);
  auto ports_of = [&](Bytes inner) {
    rig.from_peer(peer, inner);
    auto seen = rig.only();
    return std::pair{seen.entry.inner_source_port, seen.entry.inner_destination_port};
  };
  const Bytes whole = ipv4_packet("10.8.0.2", "192.0.2.1", 4);
  EXPECT_EQ(ports_of(whole), (std::pair<uint16_t, uint16_t>{0xABAB, 0xABAB}));
  EXPECT_EQ(ports_of(ipv4_packet("10.8.0.2", "192.0.2.1", 3)), (std::pair<uint16_t, uint16_t>{0, 0}));
  EXPECT_EQ(ports_of(ipv4_packet("10.8.0.2", "192.0.2.1", 4, 1)), (std::pair<uint16_t, uint16_t>{0, 0})) << "ICMP";
  Bytes fragment = whole;
  fragment[7] = 1;
  EXPECT_EQ(ports_of(fragment), (std::pair<uint16_t, uint16_t>{0, 0})) << "which does not begin with them";
}

TEST(Trace, ControlPacketsAreCutLikeOthersAndNotCountedAmongThem) {
  abi::PacketMessage message{};
  message.remote = testing::endpoint("198.51.100.1", 4000);
  message.length = 100;
  TraceRig whole([](auto& what) { copy(what, PacketContent::kOuter, 50); });
  whole.path->send_control(message);
  auto seen = whole.only();
  EXPECT_EQ(seen.bytes.size(), 50u);
  EXPECT_EQ(seen.entry.outer_length, 100u);
  TraceRig every_second([](auto& what) { what.every = 2; });
  every_second.path->send_control(message);
  EXPECT_TRUE(every_second.seen().empty());
}

TEST(Trace, AFullRingHarmsNothing) {
  TraceRig rig([](auto& what) { copy(what, PacketContent::kInner); }, 2);
  Peer peer = rig.connect(0);
  for (int i = 0; i < 10; ++i) rig.from_peer(peer, ipv4_packet("10.8.0.2", "192.0.2.1"));
  EXPECT_EQ(rig.sent_tun().size(), 10u);
  EXPECT_EQ(rig.seen().size(), 2u);
}

TEST(Trace, EndsWhenItIsTakenBack) {
  TraceRig rig;
  Peer peer = rig.connect(0);
  rig.watcher.mailbox.post(nullptr);
  EXPECT_FALSE(rig.watcher.mailbox.is_adopted());
  rig.path->flush();
  EXPECT_TRUE(rig.watcher.mailbox.is_adopted());
  rig.from_peer(peer, ipv4_packet("10.8.0.2", "192.0.2.1"));
  EXPECT_TRUE(rig.seen().empty());
  EXPECT_EQ(rig.sent_tun().size(), 1u);
}

}  // namespace
}  // namespace culvert
