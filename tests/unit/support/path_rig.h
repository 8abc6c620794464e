// A path with its link, ports and packet pool in memory, and the far end of its sessions.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <set>

#include "dataplane/abi/endpoint_text.h"
#include "dataplane/abi/layout.h"
#include "dataplane/crypto/engine.h"
#include "dataplane/packet.h"
#include "dataplane/path.h"
#include "dataplane/wire/openvpn.h"
#include "drivers/memory.h"
#include "tests/unit/support/eal.h"
#include "tests/unit/support/endpoint.h"
#include "tests/unit/support/evp_aead.h"
#include "tests/unit/support/evp_cbc_hmac.h"
#include "tests/unit/support/inner_packets.h"

namespace culvert::testing {

/// A link in ordinary memory.
class LinkMemory {
 public:
  explicit LinkMemory(uint32_t sessions, uint32_t workers = 1)
      : memory_(std::aligned_alloc(4096, abi::layout_for(workers, sessions).total_size)) {
    std::memset(memory_, 0, abi::layout_for(workers, sessions).total_size);
    view_ = abi::LinkView(memory_, workers, sessions);
  }
  ~LinkMemory() { std::free(memory_); }
  LinkMemory(const LinkMemory&) = delete;
  LinkMemory& operator=(const LinkMemory&) = delete;
  const abi::LinkView& view() const { return view_; }

 private:
  void* memory_;
  abi::LinkView view_;
};

/// The peer of one session: seals and opens data packets with OpenSSL.
struct Peer {
  abi::SessionRef session;
  abi::Endpoint remote;
  abi::DataFormat format = abi::DataFormat::kV2;
  uint32_t peer_id = abi::kNoPeerId;  ///< in the packets it sends
  uint8_t key_id = 0;
  abi::InstallKey key{};
  uint32_t next_packet_id = 1;

  static Bytes nonce_of(uint32_t packet_id, const abi::DirectionKey& direction) {
    Bytes nonce = {static_cast<uint8_t>(packet_id >> 24), static_cast<uint8_t>(packet_id >> 16),
                   static_cast<uint8_t>(packet_id >> 8), static_cast<uint8_t>(packet_id)};
    nonce.insert(nonce.end(), direction.implicit_iv.begin(), direction.implicit_iv.begin() + 8);
    return nonce;
  }

  /// A data packet to the gateway.
  Bytes seal(std::span<const uint8_t> inner) { return seal(inner, next_packet_id++); }
  Bytes seal(std::span<const uint8_t> inner, uint32_t packet_id) const {
    if (key.format == abi::KeyFormat::kCbcHmac) return seal_cbc(inner, packet_id);
    bool v2 = format == abi::DataFormat::kV2;
    Bytes packet = {wire::opcode_byte(v2 ? wire::Opcode::kDataV2 : wire::Opcode::kDataV1, key_id)};
    if (v2)
      for (int shift : {16, 8, 0}) packet.push_back(static_cast<uint8_t>(peer_id >> shift));
    Bytes nonce = nonce_of(packet_id, key.receive);
    packet.insert(packet.end(), nonce.begin(), nonce.begin() + 4);
    std::span<const uint8_t> aad = std::span<const uint8_t>(packet).subspan(v2 ? 0 : 1);
    auto sealed = EvpAead{key.cipher, key.receive.key}.seal(nonce, aad, inner);
    packet.insert(packet.end(), sealed.tag.begin(), sealed.tag.end());
    packet.insert(packet.end(), sealed.text.begin(), sealed.text.end());
    return packet;
  }

  /// Opcode, key-id, and peer-id where the format has it.
  Bytes opcode() const {
    bool v2 = format == abi::DataFormat::kV2;
    Bytes bytes = {wire::opcode_byte(v2 ? wire::Opcode::kDataV2 : wire::Opcode::kDataV1, key_id)};
    if (v2)
      for (int shift : {16, 8, 0}) bytes.push_back(static_cast<uint8_t>(peer_id >> shift));
    return bytes;
  }
  EvpCbcHmac cbc_to_gateway() const { return {key.cipher, key.digest, key.receive}; }
  Bytes seal_cbc(std::span<const uint8_t> inner, uint32_t packet_id) const {
    Bytes plain;
    for (int shift : {24, 16, 8, 0}) plain.push_back(static_cast<uint8_t>(packet_id >> shift));
    plain.insert(plain.end(), inner.begin(), inner.end());
    Bytes packet = opcode();
    Bytes sealed = cbc_to_gateway().seal(plain, {7, 7, 7, static_cast<uint8_t>(packet_id)});
    packet.insert(packet.end(), sealed.begin(), sealed.end());
    return packet;
  }

  struct Opened {
    uint32_t packet_id;
    uint8_t key_id;
    Bytes inner;
  };
  /// A data packet from the gateway; nothing when header or tag are wrong.
  std::optional<Opened> open(std::span<const uint8_t> packet) const {
    if (key.format == abi::KeyFormat::kCbcHmac) return open_cbc(packet);
    bool v2 = format == abi::DataFormat::kV2;
    size_t aad_from = v2 ? 0 : 1, aad_end = v2 ? 8 : 5;
    if (packet.size() < aad_end + 16) return std::nullopt;
    auto first = wire::read_opcode(packet);
    if (!first || first->opcode != (v2 ? wire::Opcode::kDataV2 : wire::Opcode::kDataV1)) return std::nullopt;
    uint32_t packet_id = reinterpret_cast<const wire::be32*>(&packet[aad_end - 4])->get();
    std::array<uint8_t, 16> tag;
    std::copy_n(packet.begin() + static_cast<std::ptrdiff_t>(aad_end), 16, tag.begin());
    auto inner = EvpAead{key.cipher, key.send.key}.open(
        nonce_of(packet_id, key.send), packet.subspan(aad_from, aad_end - aad_from), packet.subspan(aad_end + 16), tag);
    if (!inner) return std::nullopt;
    return Opened{packet_id, first->key_id, *inner};
  }
  std::optional<Opened> open_cbc(std::span<const uint8_t> packet) const {
    size_t header = opcode().size();
    auto first = wire::read_opcode(packet);
    if (!first || first->opcode != wire::read_opcode(opcode())->opcode) return std::nullopt;
    auto plain = EvpCbcHmac{key.cipher, key.digest, key.send}.open(packet.subspan(header));
    if (!plain || plain->size() < 4) return std::nullopt;
    uint32_t packet_id = reinterpret_cast<const wire::be32*>(plain->data())->get();
    return Opened{packet_id, first->key_id, Bytes(plain->begin() + 4, plain->end())};
  }
};

class PathRig {
 public:
  static constexpr uint64_t kSecond = 1'000'000'000;

  explicit PathRig(uint32_t sessions = 64, const session::EpochLimits& limits = {}) : link(sessions) {
    auto engine = aead::make_engine();
    EXPECT_TRUE(engine);
    aead = *std::move(engine);
    auto made = dataplane::Path::make(link.view(), 0, pool.get(), *aead, limits);
    EXPECT_TRUE(made);
    path = *std::move(made);
    path->set_outer_port(0, &outer);
    path->set_inner_port(&tun);
  }

  static abi::InstallSession settings(uint32_t peer_id) {
    abi::InstallSession settings{};
    settings.remote = endpoint("198.51.100." + std::to_string(peer_id + 1), 4000);
    settings.local = endpoint("203.0.113.1", 1194);
    settings.format = abi::DataFormat::kV2;
    settings.flags = abi::session_flag::kMayFloat;
    settings.remote_peer_id = peer_id;
    settings.tun_mtu = 1500;
    settings.replay_window = 64;
    settings.ip4 = {10, 8, 0, static_cast<uint8_t>(peer_id + 2)};
    settings.ip6 = {0xfd};
    settings.ip6[15] = static_cast<uint8_t>(peer_id + 2);
    return settings;
  }
  static abi::InstallKey key(uint8_t key_id, uint8_t salt, abi::Cipher cipher = abi::Cipher::kAes256Gcm) {
    abi::InstallKey key{};
    key.key_id = key_id;
    key.cipher = cipher;
    key.send_at_once = 1;
    key.first_packet_id = 1;
    for (size_t i = 0; i < 32; ++i) {
      key.send.key[i] = static_cast<uint8_t>(i * 7 + salt);
      key.receive.key[i] = static_cast<uint8_t>(i * 11 + salt + 1);
    }
    for (size_t i = 0; i < key.send.hmac.size(); ++i) {
      key.send.hmac[i] = static_cast<uint8_t>(i * 13 + salt);
      key.receive.hmac[i] = static_cast<uint8_t>(i * 17 + salt + 1);
    }
    key.send.implicit_iv = {1, 2, 3, 4, 5, 6, 7, salt};
    key.receive.implicit_iv = {9, 8, 7, 6, 5, 4, 3, salt};
    return key;
  }

  void apply(abi::CommandKind kind, abi::SessionRef ref, auto fill) {
    abi::Command command{};
    command.kind = kind;
    command.session = ref;
    fill(command.body);
    path->apply(command, now);
  }
  void install(abi::SessionRef ref, const abi::InstallSession& settings) {
    apply(abi::CommandKind::kInstallSession, ref, [&](auto& body) { body.install_session = settings; });
  }
  void install(abi::SessionRef ref, const abi::InstallKey& key) {
    apply(abi::CommandKind::kInstallKey, ref, [&](auto& body) { body.install_key = key; });
  }
  void with_key(abi::CommandKind kind, abi::SessionRef ref, uint8_t key_id) {
    apply(kind, ref, [&](auto& body) { body.key.key_id = key_id; });
  }
  void remove(abi::SessionRef ref) {
    apply(abi::CommandKind::kRemoveSession, ref, [](auto&) {});
  }
  void route(abi::CommandKind kind, abi::SessionRef ref, const std::string& address, uint8_t length) {
    apply(kind, ref, [&](auto& body) { body.route = {*abi::parse_ip(address), length}; });
  }

  /// Installs session and key; `change` may edit both before.
  Peer connect(uint32_t peer_id, auto change) {
    Peer peer;
    peer.session = {peer_id, 1};
    abi::InstallSession session = settings(peer_id);
    peer.key = key(0, static_cast<uint8_t>(peer_id + 1));
    change(session, peer.key);
    peer.remote = session.remote;
    peer.format = session.format;
    peer.peer_id = peer_id;
    peer.key_id = peer.key.key_id;
    install(peer.session, session);
    install(peer.session, peer.key);
    return peer;
  }
  Peer connect(uint32_t peer_id) {
    return connect(peer_id, [](auto&, auto&) {});
  }

  /// A received outer packet, not yet given to the path.
  rte_mbuf* outer_packet(std::span<const uint8_t> bytes, const abi::Endpoint& from, uint16_t port = 0) {
    rte_mbuf* packet = pool.packet(bytes);
    meta(packet).remote = from;
    meta(packet).local = endpoint("203.0.113.1", 1194);
    meta(packet).port = port;
    return packet;
  }
  void from_outer(std::span<const uint8_t> bytes, const abi::Endpoint& from, uint16_t port = 0) {
    rte_mbuf* packet = outer_packet(bytes, from, port);
    path->outer_burst({&packet, 1}, now);
    path->flush();
  }
  void from_peer(Peer& peer, std::span<const uint8_t> inner) { from_outer(peer.seal(inner), peer.remote); }
  void from_tun(std::span<const uint8_t> bytes) {
    rte_mbuf* packet = pool.packet(bytes);
    path->inner_burst({&packet, 1}, now);
    path->flush();
  }

  struct Sent {
    Bytes bytes;
    PacketMeta to;
  };
  static std::vector<Sent> take(drivers::MemoryPort& port) {
    std::vector<Sent> sent;
    for (rte_mbuf* packet : port.take_sent()) {
      const uint8_t* data = rte_pktmbuf_mtod(packet, const uint8_t*);
      sent.push_back({Bytes(data, data + packet->data_len), meta(packet)});
      EXPECT_EQ(packet->pkt_len, packet->data_len);
      rte_pktmbuf_free(packet);
    }
    return sent;
  }
  std::vector<Sent> sent_outer() { return take(outer); }
  std::vector<Bytes> sent_tun() {
    std::vector<Bytes> packets;
    for (Sent& sent : take(tun)) packets.push_back(sent.bytes);
    return packets;
  }

  std::vector<abi::Event> events() { return pop_all<abi::Event>(event_reader); }
  std::vector<abi::PacketMessage> punts_new() { return pop_all<abi::PacketMessage>(punt_new_reader); }
  std::vector<abi::PacketMessage> punts_known() { return pop_all<abi::PacketMessage>(punt_known_reader); }

  uint64_t drops(abi::DropReason reason) { return path->tally().drops[static_cast<size_t>(reason)]; }
  uint64_t counter(abi::Counter counter) { return path->tally().counters[static_cast<size_t>(counter)]; }
  /// Names of all reasons counted so far.
  std::set<std::string_view> dropped() {
    std::set<std::string_view> names;
    for (size_t i = 0; i < abi::kDropReasonCount; ++i)
      if (path->tally().drops[i] != 0) names.insert(abi::kDropInfo[i].name);
    return names;
  }
  abi::WorkerRecord& record(uint32_t peer_id) { return link.view().session(peer_id).worker; }
  uint64_t highest_seen(uint32_t peer_id, uint8_t key_id = 0) { return link.view().seen(peer_id).highest[key_id]; }

  /// Ticks through one whole round of the sweep.
  void round() {
    now += kSecond;
    do path->tick(now);
    while (path->next_tick_ns() <= now);
    path->flush();
  }

  uint64_t now = 1000 * kSecond;
  PacketPool pool;  // destroyed last: it checks that no packet is left
  LinkMemory link;
  drivers::MemoryPort outer{drivers::Side::kOuter};
  drivers::MemoryPort tun{drivers::Side::kInner};
  std::unique_ptr<aead::Engine> aead;
  std::unique_ptr<dataplane::Path> path;
  abi::Consumer<abi::Event, abi::EventRing::kCapacity> event_reader{link.view().worker(0).events};
  abi::Consumer<abi::PacketMessage, abi::PacketRing::kCapacity> punt_new_reader{link.view().worker(0).punt_new};
  abi::Consumer<abi::PacketMessage, abi::PacketRing::kCapacity> punt_known_reader{link.view().worker(0).punt_known};

 private:
  template <class Message>
  static std::vector<Message> pop_all(auto& consumer) {
    std::vector<Message> all;
    Message message;
    while (consumer.pop(message) == abi::RingStatus::kOk) all.push_back(message);
    return all;
  }
};

}  // namespace culvert::testing
