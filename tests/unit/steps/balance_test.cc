// Two workers under a mixture of honest, odd and hostile packets, with sessions that come and go, ports that are taken
// away, and far ends that take nothing: what went in is what came out, was consumed, or was dropped under a reason.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "dataplane/steps/handoff.h"
#include "dataplane/wire/openvpn.h"
#include "tests/unit/support/packet_balance.h"
#include "tests/unit/support/path_rig.h"
#include "tests/unit/support/seeded_random.h"

namespace culvert::testing {
namespace {

using abi::CommandKind;
using abi::Counter;
using abi::DropReason;
using dataplane::Path;

constexpr uint32_t kSessions = 12;
constexpr uint32_t kWorkers = 2;

class Balance : public ::testing::TestWithParam<uint64_t> {
 protected:
  /// One worker, whose ports' far ends take little.
  struct Side {
    drivers::MemoryPort outer{drivers::Side::kOuter, 48};
    drivers::MemoryPort tun{drivers::Side::kInner, 48};
    std::unique_ptr<aead::Engine> aead;
    std::unique_ptr<Path> path;
    uint64_t of_control = 0;
    uint64_t no_packets = 0;
    uint64_t given = 0;  ///< packets, by us
  };

  Balance() {
    for (uint32_t worker = 0; worker < kWorkers; ++worker) {
      Side& side = sides_[worker];
      side.aead = *aead::make_engine();
      side.path = *Path::make(link_.view(), worker, pool_.get(), *side.aead, {}, &rings_);
      give_ports(side, true);
    }
  }
  static void give_ports(Side& side, bool give) {
    side.path->set_outer_port(0, give ? &side.outer : nullptr);
    side.path->set_inner_port(give ? &side.tun : nullptr);
  }

  uint32_t below(uint64_t limit) { return static_cast<uint32_t>(random_.below(limit)); }
  bool one_in(uint64_t chances) { return below(chances) == 0; }
  Side& any_side() { return sides_[below(kWorkers)]; }

  void apply(Side& side, CommandKind kind, abi::SessionRef ref, uint16_t owner, auto fill) {
    abi::Command command{};
    command.kind = kind;
    command.session = ref;
    command.owner = owner;
    fill(command.body);
    const uint64_t before = drops(side, DropReason::link_bad_message);
    side.path->apply(command, now_);
    side.no_packets += drops(side, DropReason::link_bad_message) - before;
  }
  static uint64_t drops(const Side& side, DropReason reason) {
    return side.path->tally().drops[static_cast<size_t>(reason)];
  }

  void connect(uint32_t peer_id) {
    Peer& peer = peers_[peer_id];
    peer = {};
    peer.session = {peer_id, ++generation_};
    peer.key = PathRig::key(0, static_cast<uint8_t>(peer_id + 1));
    peer.peer_id = peer_id;
    abi::InstallSession settings = PathRig::settings(peer_id);
    if (peer_id % 4 < 2) settings.flags |= abi::session_flag::kClientToClient;
    settings.ping_interval = 1;
    settings.ping_timeout = 5;
    peer.remote = settings.remote;
    const auto owner = static_cast<uint16_t>(peer_id % kWorkers);
    for (Side& side : sides_)
      apply(side, CommandKind::kInstallSession, peer.session, owner,
            [&](auto& body) { body.install_session = settings; });
    if (!one_in(4))  // one that has no key to send with
      apply(sides_[owner], CommandKind::kInstallKey, peer.session, 0, [&](auto& body) { body.install_key = peer.key; });
    if (one_in(3))
      apply(sides_[owner], CommandKind::kLimitSession, peer.session, 0, [](auto& body) { body.limit = {8000, 8000}; });
  }
  void disconnect(uint32_t peer_id) {
    for (Side& side : sides_)
      apply(side, CommandKind::kRemoveSession, peers_[peer_id].session, static_cast<uint16_t>(peer_id % kWorkers),
            [](auto&) {});
  }

  static std::string inner4(uint32_t peer_id) { return "10.8.0." + std::to_string(peer_id + 2); }
  /// What a client sends inside its tunnel.
  Bytes inner_of(uint32_t peer_id) {
    switch (below(10)) {
      case 0:
        return {wire::kPingMagic.begin(), wire::kPingMagic.end()};
      case 1: {
        Bytes occ(wire::kOccMagic.begin(), wire::kOccMagic.end());
        occ.push_back(static_cast<uint8_t>(below(8)));
        return occ;
      }
      case 2:
        return random_.bytes(below(80));
      case 3:
        return ipv4_packet(inner4(below(kSessions)), "192.0.2.1");  // perhaps another's address
      case 4:
        return ipv4_packet(inner4(peer_id), "224.0.0.5");
      case 5:
      case 6:
        return ipv4_packet(inner4(peer_id), inner4(below(kSessions + 2)), below(1400));
      default:
        return ipv4_packet(inner4(peer_id), "192.0.2.1", below(1400));
    }
  }
  /// From outside: honest, an old one again, or changed.
  Bytes outer_of(Peer& peer) {
    Bytes bytes;
    if (one_in(8) && !old_.empty())
      bytes = old_[below(old_.size())];
    else if (one_in(8))
      bytes = control_packet();
    else
      bytes = peer.seal(inner_of(peer.peer_id));
    old_.push_back(bytes);
    if (old_.size() > 100) old_.pop_front();
    if (one_in(5)) harm(bytes);
    return bytes;
  }
  Bytes control_packet() {
    Bytes bytes = random_.bytes(below(1600) + 1);
    bytes[0] = static_cast<uint8_t>((3 + below(9)) << 3 | below(8));
    return bytes;
  }
  void harm(Bytes& bytes) {
    if (bytes.empty()) return;
    switch (below(5)) {
      case 0:
        bytes[below(bytes.size())] ^= static_cast<uint8_t>(1u << below(8));
        return;
      case 1:
        return bytes.resize(below(bytes.size()));
      case 2:
        bytes[0] ^= static_cast<uint8_t>(below(8));  // the key-id
        return;
      case 3:
        if (bytes.size() > 3) bytes[3] = static_cast<uint8_t>(below(2 * kSessions));  // the peer-id
        return;
      default:
        return bytes.resize(bytes.size() + 1);
    }
  }
  Bytes from_tun() {
    switch (below(8)) {
      case 0:
        return random_.bytes(below(100));
      case 1:
        return ipv4_packet("192.0.2.1", "10.99.0.1");
      case 2:
        return ipv4_packet("192.0.2.1", inner4(below(kSessions)), 1481);
      case 3:
        return ipv6_packet("2001:db8::1", "ff02::1");
      default:
        return ipv4_packet("192.0.2.1", inner4(below(kSessions)), below(1400));
    }
  }

  void outer_burst(Side& side) {
    std::vector<rte_mbuf*> burst;
    for (size_t count = 1 + below(64); burst.size() < count;) {
      Peer& peer = peers_[below(kSessions)];
      rte_mbuf* packet = pool_.packet(outer_of(peer));
      meta(packet).remote = one_in(10) ? endpoint("203.0.113." + std::to_string(below(9)), 9) : peer.remote;
      burst.push_back(packet);
    }
    side.given += burst.size();
    side.path->outer_burst(burst, now_);
  }
  void inner_burst(Side& side) {
    std::vector<rte_mbuf*> burst;
    for (size_t count = 1 + below(64); burst.size() < count;) burst.push_back(pool_.packet(from_tun()));
    side.given += burst.size();
    side.path->inner_burst(burst, now_);
  }
  void send_control(Side& side) {
    abi::PacketMessage message{};
    message.remote = peers_[below(kSessions)].remote;
    message.port = static_cast<uint16_t>(one_in(4) ? below(100) : 0);
    message.length = static_cast<uint16_t>(one_in(4) ? below(0x10000) : 100);
    ++side.of_control;
    side.path->send_control(message);
  }
  void tick(Side& side) {
    now_ += PathRig::kSecond / 2;
    side.path->tick(now_);
  }
  /// With no packet buffer left.
  void without_buffers(Side& side) {
    std::vector<rte_mbuf*> taken;
    while (rte_mbuf* packet = rte_pktmbuf_alloc(pool_.get())) taken.push_back(packet);
    send_control(side);
    const uint64_t before = drops(side, DropReason::mempool_empty);
    tick(side);
    side.no_packets += drops(side, DropReason::mempool_empty) - before;
    rte_pktmbuf_free_bulk(taken.data(), static_cast<unsigned>(taken.size()));
  }

  void something() {
    Side& side = any_side();
    const uint32_t what = below(40);
    if (what < 14) return outer_burst(side);
    if (what < 24) return inner_burst(side);
    if (what < 28) return send_control(side);
    if (what < 31) return tick(side);
    if (what == 31) return without_buffers(side);
    if (what == 32) return connect(below(kSessions));
    if (what == 33) return disconnect(below(kSessions));
    if (what == 34) return give_ports(side, one_in(2));
    if (what == 35) return give_ports(side, true);
    side.path->flush();
    // Packets that were taken over are like received ones to this worker.
    if (what < 38) side.path->take_handed(now_);
    if (what == 39)
      for (drivers::MemoryPort* port : {&side.outer, &side.tun}) (void)PathRig::take(*port);
  }

  /// Until nothing is on its way from one worker to the other.
  void come_to_rest() {
    bool moved = true;
    while (moved) {
      moved = false;
      for (Side& side : sides_) {
        side.path->flush();
        moved |= side.path->take_handed(now_) > 0;
        side.path->flush();
      }
    }
  }

  uint64_t now_ = 1000 * PathRig::kSecond;
  SeededRandom random_{GetParam()};
  PacketPool pool_;
  LinkMemory link_{64, kWorkers};
  steps::HandoffRings rings_{kWorkers};
  std::array<Side, kWorkers> sides_;
  std::array<Peer, kSessions> peers_;
  std::deque<Bytes> old_;
  uint32_t generation_ = 0;
};

TEST_P(Balance, EveryPacketIsAccountedForOnce) {
  for (uint32_t peer_id = 0; peer_id < kSessions; ++peer_id) connect(peer_id);
  for (int i = 0; i < 3000; ++i) something();
  come_to_rest();
  uint64_t handed = 0;
  uint64_t taken = 0;
  for (Side& side : sides_) {
    const abi::Tally& tally = side.path->tally();
    auto counter = [&tally](Counter which) { return tally.counters[static_cast<size_t>(which)]; };
    EXPECT_EQ(counter(Counter::outer_rx_packets) + counter(Counter::inner_rx_packets), side.given);
    EXPECT_EQ(unaccounted(tally, side.of_control, side.no_packets), 0);
    handed += counter(Counter::handed_over_packets);
    taken += counter(Counter::taken_over_packets);
    for (DropReason reason :
         {DropReason::outer_too_short, DropReason::session_unknown_peer_id, DropReason::aead_bad_tag,
          DropReason::replay_duplicate, DropReason::key_unknown, DropReason::inner_source_not_allowed,
          DropReason::inner_no_route, DropReason::inner_multicast, DropReason::inner_too_big, DropReason::tx_queue_full,
          DropReason::tx_port_down, DropReason::mempool_empty, DropReason::punt_ring_full, DropReason::key_not_ready})
      EXPECT_GT(drops(side, reason), 0u) << abi::info(reason).name << ": the mixture does not reach it";
    for (Counter passed : {Counter::outer_tx_packets, Counter::inner_tx_packets, Counter::pings_received,
                           Counter::occ_received, Counter::pings_sent, Counter::client_to_client_packets})
      EXPECT_GT(counter(passed), 0u);
  }
  EXPECT_EQ(handed, taken);
  EXPECT_GT(handed, 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Balance, ::testing::Range<uint64_t>(1, 5));

}  // namespace
}  // namespace culvert::testing
