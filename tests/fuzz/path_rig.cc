#include "tests/fuzz/path_rig.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <iostream>
#include <vector>

#include "dataplane/crypto/engine.h"
#include "dataplane/eal.h"
#include "dataplane/packet.h"
#include "dataplane/session/epoch_keys.h"
#include "dataplane/wire/openvpn.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/keys.h"
#include "tests/fuzz/tally.h"
#include "tests/unit/support/packet_balance.h"

namespace culvert::fuzz {
namespace {

/// Key bytes of one direction.
abi::DirectionKey direction_key(uint8_t key_id, uint8_t direction) {
  abi::DirectionKey key{};
  key.key = numbered<32>(static_cast<uint8_t>(16 * direction + key_id));
  key.implicit_iv = numbered<12>(static_cast<uint8_t>(64 + key_id));
  key.hmac = numbered<64>(static_cast<uint8_t>(128 + 16 * direction + key_id));
  return key;
}

uint64_t epoch_id(uint32_t packet_id) {
  return uint64_t{1 + (packet_id >> 13 & 7)} << abi::kEpochShift | (packet_id & 0x1FFF);
}

template <class T>
T value_or_exit(Result<T> made, const char* what) {
  if (made) return std::move(*made);
  std::cerr << what << ": " << made.error() << "\n";
  std::exit(1);
}

void empty(auto& ring) {
  ring.tail = 0;
  ring.head = 0;
  ring.waiting = 0;
}

}  // namespace

PathWorld& PathWorld::get() {
  static PathWorld* world = [] {
    auto* made = new PathWorld;
    dataplane::EalOptions options;
    options.huge = dataplane::Huge::kOff;
    value_or_exit(dataplane::start_eal(options), "EAL");
    made->pool = value_or_exit(dataplane::make_packet_pool("fuzz", 1023), "packet pool");
    made->aead = value_or_exit(aead::make_engine(), "ipsec-mb");
    void* memory = mmap(nullptr, abi::layout_for(1, kSessions).total_size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) std::exit(1);
    made->link = abi::LinkView(memory, 1, kSessions);
    return made;
  }();
  return *world;
}

void PathWorld::reset_link() {
  abi::WorkerArea& area = link.worker(0);
  empty(area.commands);
  empty(area.control_out);
  empty(area.events);
  empty(area.punt_new);
  empty(area.punt_known);
  for (uint32_t i = 0; i < kSessions; ++i) {
    std::memset(static_cast<void*>(&link.session(i)), 0, sizeof(abi::SessionRecord));
    std::memset(static_cast<void*>(&link.seen(i)), 0, sizeof(abi::SeenIds));
  }
}

PathRig::PathRig() : world_(PathWorld::get()) {
  world_.reset_link();
  path_ = value_or_exit(dataplane::Path::make(world_.link, 0, world_.pool, *world_.aead), "path");
  path_->set_outer_port(kOuterPort, &outer_);
  path_->set_inner_port(&inner_);
}

PathRig::~PathRig() {
  drain();
  maybe_print(path_->tally());
  require(testing::unaccounted(path_->tally(), of_control_, invalid_commands_) == 0);
  path_.reset();
  require(rte_mempool_in_use_count(world_.pool) == 0);
}

abi::Endpoint PathRig::peer(uint8_t number) {
  abi::Endpoint endpoint;
  endpoint.port = static_cast<uint16_t>(4000 + number);
  if ((number & 1) == 0) {
    endpoint.address = {{192, 0, 2, number}, abi::Family::kIpv4};
  } else {
    endpoint.address = {{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, number}, abi::Family::kIpv6};
  }
  return endpoint;
}

rte_mbuf* PathRig::packet(std::span<const uint8_t> bytes) {
  rte_mbuf* made = rte_pktmbuf_alloc(world_.pool);
  require(made != nullptr);
  made->data_off = kHeadroom;
  meta(made) = PacketMeta{};
  bytes = bytes.first(std::min<size_t>(bytes.size(), kMaxPacket));
  char* to = rte_pktmbuf_append(made, static_cast<uint16_t>(bytes.size()));
  if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
  return made;
}

void PathRig::outer(const abi::Endpoint& from, std::span<const uint8_t> bytes) {
  rte_mbuf* received = packet(bytes);
  meta(received).remote = from;
  meta(received).port = kOuterPort;
  path_->outer_burst({&received, 1}, now_ns_);
  drain();
}

void PathRig::inner(std::span<const uint8_t> bytes) {
  rte_mbuf* received = packet(bytes);
  path_->inner_burst({&received, 1}, now_ns_);
  drain();
}

void PathRig::sealed(uint32_t peer_id, uint8_t key_id, const KeyKind& kind, uint32_t packet_id, abi::DataFormat format,
                     std::span<const uint8_t> text) {
  bool v2 = format == abi::DataFormat::kV2;
  std::vector<uint8_t> bytes = {wire::opcode_byte(v2 ? wire::Opcode::kDataV2 : wire::Opcode::kDataV1, key_id)};
  if (v2)
    for (int shift : {16, 8, 0}) bytes.push_back(static_cast<uint8_t>(peer_id >> shift));
  if (kind.format == abi::KeyFormat::kCbcHmac)
    seal_cbc(key_id, kind, text, bytes);
  else if (kind.format == abi::KeyFormat::kEpoch)
    seal_epoch(key_id, kind, packet_id, text, bytes);
  else
    seal_aead(key_id, kind, packet_id, text, bytes);
  outer(peer(static_cast<uint8_t>(peer_id)), bytes);
}

void PathRig::seal_aead(uint8_t key_id, const KeyKind& kind, uint32_t packet_id, std::span<const uint8_t> text,
                        std::vector<uint8_t>& bytes) {
  abi::DirectionKey key = direction_key(key_id, 1);
  aead::Key expanded;
  world_.aead->expand(kind.cipher, key.key, expanded);
  size_t opcode = bytes.size();
  bool v2 = opcode == 4;
  wire::be32 id(packet_id);
  size_t header = opcode + sizeof id + aead::kTagSize;
  bytes.resize(header + text.size());
  uint8_t* at = bytes.data() + opcode;
  std::memcpy(at, &id, sizeof id);
  std::copy(text.begin(), text.end(), bytes.begin() + static_cast<ptrdiff_t>(header));
  aead::Job job{};
  job.key = &expanded;
  job.text = bytes.data() + header;
  job.aad = v2 ? bytes.data() : at;
  job.aad_length = v2 ? 8 : 4;
  job.tag = at + sizeof id;
  job.length = static_cast<uint32_t>(text.size());
  job.cipher = kind.cipher;
  std::memcpy(job.nonce.data(), &id, sizeof id);
  std::copy_n(key.implicit_iv.begin(), 8, job.nonce.begin() + 4);
  world_.aead->seal({&job, 1});
}

void PathRig::seal_epoch(uint8_t key_id, const KeyKind& kind, uint32_t packet_id, std::span<const uint8_t> text,
                         std::vector<uint8_t>& bytes) {
  wire::be64 id(epoch_id(packet_id));
  session::EpochSecret secret{1, direction_key(key_id, 1).key};
  while (secret.epoch < abi::epoch_of(id.get())) session::advance(*world_.aead, secret);
  aead::Key expanded;
  aead::Job job{};
  session::derive(*world_.aead, secret, kind.cipher, expanded, job.nonce);
  size_t opcode = bytes.size(), header = opcode + sizeof id;
  bytes.resize(header);
  std::memcpy(bytes.data() + opcode, &id, sizeof id);
  for (size_t i = 0; i < sizeof id; ++i) job.nonce[i] = static_cast<uint8_t>(job.nonce[i] ^ bytes[opcode + i]);
  bytes.insert(bytes.end(), text.begin(), text.end());
  bytes.resize(bytes.size() + aead::kTagSize);
  bool v2 = opcode == 4;
  job.key = &expanded;
  job.cipher = kind.cipher;
  job.aad = bytes.data() + (v2 ? 0 : 1);
  job.aad_length = static_cast<uint8_t>(header - (v2 ? 0 : 1));
  job.text = bytes.data() + header;
  job.length = static_cast<uint32_t>(text.size());
  job.tag = job.text + job.length;
  world_.aead->seal({&job, 1});
}

void PathRig::seal_cbc(uint8_t key_id, const KeyKind& kind, std::span<const uint8_t> text,
                       std::vector<uint8_t>& bytes) {
  aead::Key expanded;
  world_.aead->expand_cbc(kind.cipher, kind.digest, direction_key(key_id, 1), expanded);
  size_t opcode = bytes.size(), header = opcode + abi::digest_size(kind.digest) + aead::kIvSize;
  size_t blocks = text.size() / aead::kIvSize * aead::kIvSize;
  bytes.resize(header + blocks);
  std::copy_n(text.begin(), blocks, bytes.begin() + static_cast<ptrdiff_t>(header));
  aead::Job job{};
  job.key = &expanded;
  job.text = bytes.data() + header;
  job.tag = bytes.data() + opcode;
  job.length = static_cast<uint32_t>(blocks);
  job.cipher = kind.cipher;
  if (blocks != 0) world_.aead->seal({&job, 1});
}

void PathRig::apply(abi::Command command) {
  const uint64_t& bad_messages = path_->tally().drops[static_cast<size_t>(abi::DropReason::link_bad_message)];
  const uint64_t before = bad_messages;
  path_->apply(command, now_ns_);
  invalid_commands_ += bad_messages - before;
  drain();
}

void PathRig::install_session(uint32_t peer_id, uint32_t generation, uint32_t flags, abi::DataFormat format,
                              abi::Framing framing) {
  abi::Command command{};
  command.kind = abi::CommandKind::kInstallSession;
  command.session = {peer_id, generation};
  abi::InstallSession& settings = command.body.install_session;
  settings = {};
  settings.remote = peer(static_cast<uint8_t>(peer_id));
  settings.port = kOuterPort;
  settings.format = format;
  settings.framing = framing;
  settings.flags = flags;
  settings.remote_peer_id = abi::kNoPeerId;
  settings.tun_mtu = 1500;
  settings.mss_limit = 1400;
  settings.ping_interval = 10;
  settings.ping_timeout = 60;
  settings.replay_window = 64;
  settings.ip4 = {10, 8, 0, static_cast<uint8_t>(2 + peer_id)};
  settings.ip6 = {0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, static_cast<uint8_t>(2 + peer_id)};
  apply(command);
}

void PathRig::install_key(uint32_t peer_id, uint32_t generation, uint8_t key_id, const KeyKind& kind,
                          uint32_t first_packet_id, uint32_t replay_floor) {
  abi::Command command{};
  command.kind = abi::CommandKind::kInstallKey;
  command.session = {peer_id, generation};
  abi::InstallKey& key = command.body.install_key;
  key = {};
  key.key_id = key_id;
  key.cipher = kind.cipher;
  key.format = kind.format;
  key.digest = kind.digest;
  key.send_at_once = 1;
  bool epochs = kind.format == abi::KeyFormat::kEpoch;
  key.first_packet_id = epochs ? epoch_id(first_packet_id) | 1 : first_packet_id;
  key.replay_floor = epochs ? epoch_id(replay_floor) : replay_floor;
  key.send = direction_key(key_id, 0);
  key.receive = direction_key(key_id, 1);
  apply(command);
}

void PathRig::control(const abi::PacketMessage& message) {
  ++of_control_;
  path_->send_control(message);
  drain();
}

void PathRig::advance(uint64_t nanoseconds) {
  now_ns_ += nanoseconds;
  path_->tick(now_ns_);
  drain();
}

void PathRig::drain() {
  path_->flush();
  for (drivers::MemoryPort* port : {&outer_, &inner_}) {
    for (rte_mbuf* sent : port->take_sent()) {
      // Nothing longer than a packet may be, or empty, ever leaves.
      require(sent->nb_segs == 1 && sent->data_len > 0 && sent->data_len == sent->pkt_len);
      rte_pktmbuf_free(sent);
    }
  }
}

}  // namespace culvert::fuzz
