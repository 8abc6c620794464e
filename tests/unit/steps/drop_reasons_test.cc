// Every reason of the list for which the dataplane drops a packet is reached here, or is named with the place that
// reaches it.
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "dataplane/session/limit_bucket.h"
#include "tests/unit/support/path_rig.h"

namespace culvert {
namespace {

using abi::CommandKind;
using abi::DropReason;
using testing::Bytes;
using testing::endpoint;
using testing::ipv4_packet;
using testing::ipv6_packet;
using testing::PathRig;
using testing::Peer;

using Scenario = std::function<void(PathRig&)>;

/// Reasons that other code than the path counts, or that need the path's inside: where they are tested.
const std::map<DropReason, const char*> kTestedElsewhere = {
    {DropReason::aead_key_exhausted, "tests/unit/steps/open_test.cc"},
    {DropReason::tx_refused, "tests/unit/drivers"},
    {DropReason::stream_bad_length, "tests/unit/drivers"},
    {DropReason::stream_not_openvpn, "tests/unit/drivers"},
    {DropReason::tx_stream_closed, "tests/unit/drivers"},
    {DropReason::stream_closing, "tests/unit/drivers"},
    {DropReason::stream_no_place, "tests/unit/drivers"},
    {DropReason::stream_not_shared, "tests/unit/drivers"},
    {DropReason::replay_gap, "tests/unit/steps/stream_steps_test.cc"},
    {DropReason::handoff_full, "tests/unit/steps/handoff_test.cc"},
    {DropReason::handoff_stale, "tests/unit/steps/two_workers_test.cc"},
    {DropReason::nic_malformed, "tests/unit/nic"},
    {DropReason::nic_bad_checksum, "tests/unit/nic"},
    {DropReason::nic_own_frame, "tests/unit/nic"},
    {DropReason::nic_rx_missed, "tests/unit/nic"},
    {DropReason::udp_rx_missed, "tests/unit/drivers/losses_test.cc"},
    {DropReason::tun_rx_missed, "tests/unit/drivers/losses_test.cc"},
};

// The first data packet of `peer`, as it stands on the wire, with `change` done to it.
void send_changed(PathRig& rig, Peer peer, const std::function<void(Bytes&)>& change) {
  Bytes packet = peer.seal(ipv4_packet("10.8.0.2", "192.0.2.1"));
  change(packet);
  rig.from_outer(packet, peer.remote);
}

void send_inner(PathRig& rig, const Bytes& inner) {
  Peer peer = rig.connect(0);
  rig.from_peer(peer, inner);
}

void send_chained(PathRig& rig) {
  rte_mbuf* packet = rig.outer_packet(Bytes(100, 0x48), endpoint("198.51.100.1", 4000));
  ASSERT_EQ(rte_pktmbuf_chain(packet, rig.pool.packet(Bytes(100, 1))), 0);
  rig.path->outer_burst({&packet, 1}, rig.now);
}

void send_from_peer_through_closed_tun(PathRig& rig) {
  Peer peer = rig.connect(0);
  rig.path->set_inner_port(nullptr);
  rig.from_peer(peer, ipv4_packet("10.8.0.2", "192.0.2.1"));
}

void send_more_than_the_port_takes(PathRig& rig) {
  drivers::MemoryPort small(drivers::Side::kOuter, 0);
  rig.path->set_outer_port(0, &small);
  rig.connect(0);
  rig.from_tun(ipv4_packet("192.0.2.1", "10.8.0.2"));
  rig.path->set_outer_port(0, &rig.outer);
}

void control_sends_while_no_buffer_is_left(PathRig& rig) {
  std::vector<rte_mbuf*> held;
  while (rte_mbuf* packet = rte_pktmbuf_alloc(rig.pool.get())) held.push_back(packet);
  abi::PacketMessage message{};
  message.remote = endpoint("198.51.100.1", 4000);
  message.length = 20;
  rig.path->send_control(message);
  rte_pktmbuf_free_bulk(held.data(), static_cast<unsigned>(held.size()));
}

void send_without_headroom(PathRig& rig) {
  rig.connect(0);
  rte_mbuf* packet = rig.pool.packet(ipv4_packet("192.0.2.1", "10.8.0.2"));
  rte_pktmbuf_prepend(packet, kHeadroom - 23);
  std::memmove(rte_pktmbuf_mtod(packet, uint8_t*), rte_pktmbuf_mtod_offset(packet, uint8_t*, kHeadroom - 23), 40);
  rte_pktmbuf_trim(packet, kHeadroom - 23);
  rig.path->inner_burst({&packet, 1}, rig.now);
}

void flood_of_resets(PathRig& rig) {
  for (uint64_t i = 0; i <= abi::PacketRing::kCapacity; ++i) rig.from_outer(Bytes(50, 0x38), endpoint("192.0.2.77", 5));
}

void two_packets_with_one_packet_id_left(PathRig& rig) {
  rig.connect(0, [](auto&, auto& key) { key.first_packet_id = 0xFFFFFFFF; });
  for (int i = 0; i < 2; ++i) rig.from_tun(ipv4_packet("192.0.2.1", "10.8.0.2"));
}

void float_to_an_address_that_is_taken(PathRig& rig) {
  Peer peer = rig.connect(0);
  Peer other = rig.connect(1);
  rig.from_outer(peer.seal(ipv4_packet("10.8.0.2", "192.0.2.1")), other.remote);
}

void packet_to_another_client_with_nobody_to_ask(PathRig& rig) {
  Peer peer = rig.connect(0);
  rig.connect(1);
  rig.path->set_inner_port(nullptr);
  rig.from_peer(peer, ipv4_packet("10.8.0.2", "10.8.0.3"));
}

void session_without_key(PathRig& rig) {
  rig.install({0, 1}, PathRig::settings(0));
  rig.from_tun(ipv4_packet("192.0.2.1", "10.8.0.2"));
}

void replay(PathRig& rig, uint32_t first, uint32_t second) {
  Peer peer = rig.connect(0);
  for (uint32_t packet_id : {first, second})
    rig.from_outer(peer.seal(ipv4_packet("10.8.0.2", "192.0.2.1"), packet_id), peer.remote);
}

void wrong_padding_of_cbc(PathRig& rig) {
  Peer peer = rig.connect(0, [](auto&, auto& key) {
    key.cipher = abi::Cipher::kAes256Cbc;
    key.format = abi::KeyFormat::kCbcHmac;
    key.digest = abi::Digest::kSha256;
  });
  Bytes packet = peer.opcode();
  Bytes sealed = peer.cbc_to_gateway().seal_unpadded(Bytes(32, 17), {});
  packet.insert(packet.end(), sealed.begin(), sealed.end());
  packet[3] = static_cast<uint8_t>(peer.peer_id);
  rig.from_outer(packet, peer.remote);
}

// A low limit lets its burst through at once, and nothing behind it.
constexpr uint32_t kLimitedPacket = 1000;  // bytes
constexpr uint64_t kInBurst = session::LimitBucket::kLeastBurst / kLimitedPacket;

void send_until_limited(PathRig& rig) {
  Peer peer = rig.connect(0, [](auto& session, auto&) { session.limit.from_client = 1; });
  for (uint64_t i = 0; i <= kInBurst; ++i)
    rig.from_peer(peer, ipv4_packet("10.8.0.2", "192.0.2.1", kLimitedPacket - 20));
}

void receive_until_limited(PathRig& rig) {
  rig.connect(0, [](auto& session, auto&) { session.limit.to_client = 1; });
  for (uint64_t i = 0; i <= kInBurst; ++i) rig.from_tun(ipv4_packet("192.0.2.1", "10.8.0.2", kLimitedPacket - 20));
}

const std::map<DropReason, Scenario> kScenarios = {
    {DropReason::cbc_bad_padding, wrong_padding_of_cbc},
    {DropReason::epoch_unknown,
     [](PathRig& rig) {
       Peer peer = rig.connect(0, [](auto&, auto& key) {
         key.format = abi::KeyFormat::kEpoch;
         key.first_packet_id = (uint64_t{1} << abi::kEpochShift) + 1;
         key.replay_floor = uint64_t{1} << abi::kEpochShift;
       });
       Bytes packet = peer.opcode();
       packet.insert(packet.end(), {0, 9, 0, 0, 0, 0, 0, 1});
       packet.resize(packet.size() + 40);
       rig.from_outer(packet, peer.remote);
     }},
    {DropReason::outer_too_short, [](PathRig& rig) { rig.from_outer({}, endpoint("192.0.2.77", 5)); }},
    {DropReason::outer_unknown_opcode, [](PathRig& rig) { rig.from_outer(Bytes(60, 0), endpoint("192.0.2.77", 5)); }},
    {DropReason::outer_too_long, send_chained},
    {DropReason::outer_inner_source,
     [](PathRig& rig) {
       rig.connect(0);
       rig.from_outer(Bytes(50, 0x38), endpoint("10.8.0.2", 5));
     }},
    {DropReason::session_unknown_peer_id,
     [](PathRig& rig) { send_changed(rig, rig.connect(0), [](Bytes& packet) { packet[3] = 9; }); }},
    {DropReason::session_unknown_address,
     [](PathRig& rig) {
       Peer peer = rig.connect(0);
       peer.peer_id = abi::kNoPeerId;
       peer.remote.port = 4001;
       rig.from_peer(peer, ipv4_packet("10.8.0.2", "192.0.2.1"));
     }},
    {DropReason::session_wrong_transport,
     [](PathRig& rig) {
       Peer peer = rig.connect(0);
       peer.remote.transport = abi::Transport::kTcp;
       rig.from_peer(peer, ipv4_packet("10.8.0.2", "192.0.2.1"));
     }},
    {DropReason::key_unknown,
     [](PathRig& rig) { send_changed(rig, rig.connect(0), [](Bytes& packet) { packet[0] ^= 1; }); }},
    {DropReason::aead_bad_tag,
     [](PathRig& rig) { send_changed(rig, rig.connect(0), [](Bytes& packet) { packet[10] ^= 1; }); }},
    {DropReason::replay_duplicate, [](PathRig& rig) { replay(rig, 5, 5); }},
    {DropReason::replay_too_old, [](PathRig& rig) { replay(rig, 100, 36); }},
    {DropReason::float_refused, float_to_an_address_that_is_taken},
    {DropReason::inner_empty, [](PathRig& rig) { send_inner(rig, {}); }},
    {DropReason::inner_malformed, [](PathRig& rig) { send_inner(rig, Bytes(40, 0x45)); }},
    {DropReason::inner_compressed, [](PathRig& rig) { send_inner(rig, Bytes(40, 0xFA)); }},
    {DropReason::inner_source_not_allowed, [](PathRig& rig) { send_inner(rig, ipv4_packet("10.8.0.3", "192.0.2.1")); }},
    {DropReason::inner_no_route, [](PathRig& rig) { rig.from_tun(ipv4_packet("192.0.2.1", "10.8.0.2")); }},
    {DropReason::inner_hairpin, [](PathRig& rig) { send_inner(rig, ipv4_packet("10.8.0.2", "10.8.0.2")); }},
    {DropReason::inner_multicast, [](PathRig& rig) { send_inner(rig, ipv6_packet("fd00::2", "ff02::2")); }},
    {DropReason::inner_too_big,
     [](PathRig& rig) {
       rig.connect(0);
       rig.from_tun(ipv4_packet("192.0.2.1", "10.8.0.2", 1481));
     }},
    {DropReason::inner_client_to_client, packet_to_another_client_with_nobody_to_ask},
    {DropReason::key_not_ready, session_without_key},
    {DropReason::packet_id_exhausted, two_packets_with_one_packet_id_left},
    {DropReason::no_headroom, send_without_headroom},
    {DropReason::tx_port_down, send_from_peer_through_closed_tun},
    {DropReason::tx_queue_full, send_more_than_the_port_takes},
    {DropReason::mempool_empty, control_sends_while_no_buffer_is_left},
    {DropReason::punt_ring_full, flood_of_resets},
    {DropReason::punt_too_long, [](PathRig& rig) { rig.from_outer(Bytes(1961, 0x38), endpoint("192.0.2.77", 5)); }},
    {DropReason::limit_from_client, send_until_limited},
    {DropReason::limit_to_client, receive_until_limited},
    {DropReason::link_bad_message,
     [](PathRig& rig) {
       rig.remove({abi::kNoPeerId, 1});
     }},
};

class DropReasons : public ::testing::TestWithParam<size_t> {};

TEST_P(DropReasons, CanBeReached) {
  auto reason = static_cast<DropReason>(GetParam());
  if (info(reason).side != abi::DropSide::kDataplane || kTestedElsewhere.contains(reason)) return;
  auto scenario = kScenarios.find(reason);
  ASSERT_NE(scenario, kScenarios.end()) << info(reason).name << ": no test reaches it; add a scenario here";
  PathRig rig;
  scenario->second(rig);
  EXPECT_EQ(rig.drops(reason), 1u);
  EXPECT_EQ(rig.dropped(), std::set<std::string_view>{info(reason).name});
}

INSTANTIATE_TEST_SUITE_P(List, DropReasons, ::testing::Range(size_t{0}, abi::kDropReasonCount),
                         [](const auto& test) { return std::string(abi::kDropInfo[test.param].name); });

}  // namespace
}  // namespace culvert
