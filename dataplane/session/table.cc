#include "dataplane/session/table.h"

#include <algorithm>
#include <new>

#include "dataplane/session/pages.h"
#include "dataplane/wire/ip.h"
#include "dataplane/wire/openvpn.h"
#include "dataplane/wire/tcp.h"

namespace culvert::session {

namespace {

/// What stands between opcode (with peer-id) and the inner packet.
size_t front_behind_opcode(const SendKey& key) {
  if (key.format == abi::KeyFormat::kEpoch) return sizeof(wire::be64);
  if (key.format == abi::KeyFormat::kCbcHmac) return key.aead->cbc.tag_size + aead::kIvSize + wire::kPacketIdSize;
  return wire::kPacketIdSize + aead::kTagSize;
}

/// Largest inner packet that fits into `size` bytes of tunnel packet (mss.c, adjust_payload_max_cbc, and
/// frame_calculate_mssfix).
size_t inner_room(const Session& session, size_t size) {
  bool v2 = session.where.format == abi::DataFormat::kV2;
  if (session.send.key == nullptr) {  // not known yet: as with AEAD
    size_t header = v2 ? sizeof(wire::DataV2Header) : sizeof(wire::DataV1Header);
    return size > header ? size - header : 0;
  }
  const SendKey& key = *session.send.key;
  if (size <= key.front) return 0;
  if (key.format == abi::KeyFormat::kAead) return size - key.front;
  if (key.format == abi::KeyFormat::kEpoch)
    return std::max(size, key.front + aead::kTagSize) - key.front - aead::kTagSize;
  // Packet-id and inner packet are padded to whole blocks, with one byte at least.
  size_t blocks = (size - key.front + wire::kPacketIdSize) / aead::kIvSize * aead::kIvSize;
  return blocks > wire::kPacketIdSize ? blocks - 1 - wire::kPacketIdSize : 0;
}

}  // namespace

Table::Table(abi::LinkView link, uint32_t worker)
    : link_(link),
      worker_(worker),
      capacity_(std::min(link.sessions(), abi::kNoPeerId)),
      addresses_(capacity_),
      routes_(route_capacity(capacity_)) {
  // Slots are constructed when their first session comes: until then they are untouched pages, and generation is 0.
  sessions_ = static_cast<Session*>(map_pages(size_t{capacity_} * sizeof(Session)));
  limits_ = static_cast<LimitBuckets*>(map_pages(size_t{capacity_} * sizeof(LimitBuckets)));
}

Result<std::unique_ptr<Table>> Table::make(abi::LinkView link, uint32_t worker) {
  std::unique_ptr<Table> table(new Table(link, worker));
  if (table->sessions_ == nullptr || table->limits_ == nullptr || !table->addresses_.ok() || !table->routes_.ok())
    return Error{"no memory for a table of " + std::to_string(link.sessions()) + " sessions: lower max sessions"};
  return table;
}

Table::~Table() {
  for (std::vector<uint32_t>* list : {&live_, &foreign_})
    while (!list->empty()) remove(sessions_[list->back()]);
  unmap_pages(sessions_, size_t{capacity_} * sizeof(Session));
  unmap_pages(limits_, size_t{capacity_} * sizeof(LimitBuckets));
}

Session& Table::create(const abi::SessionRef& ref, uint16_t owner, uint64_t now_ns) {
  Session& session = *new (&sessions_[ref.peer_id]) Session;
  session.where.generation = ref.generation;
  session.where.peer_id = ref.peer_id;
  session.where.owner = owner;
  session.receive.last_ns = now_ns;
  session.send.last_ns = now_ns;
  std::vector<uint32_t>& list = list_of(session);
  session.live_index = static_cast<uint32_t>(list.size());
  list.push_back(ref.peer_id);
  if (!owns(session)) return session;

  abi::WorkerRecord& record = this->record(session);
  for (auto* numbers : {&record.send_reserved, &link_.seen(ref.peer_id).highest})
    for (std::atomic<uint64_t>& number : *numbers) number.store(0, std::memory_order_relaxed);
  for (auto* number : {&record.rx_packets, &record.rx_bytes, &record.tx_packets, &record.tx_bytes, &record.drops})
    number->store(0, std::memory_order_relaxed);
  record.last_rx_ns.store(now_ns, std::memory_order_relaxed);
  record.last_tx_ns.store(now_ns, std::memory_order_relaxed);
  record.generation.store(ref.generation, std::memory_order_release);
  return session;
}

void Table::set_limit(Session& session, const abi::SessionLimit& limit, uint64_t now_ns) {
  LimitBuckets& buckets = limit_buckets(session);
  if (!session.where.limited && limit == abi::SessionLimit{}) return;
  if (!session.where.limited) new (&buckets) LimitBuckets;  // whoever had the peer-id before may have left something
  for (auto [bucket, rate] :
       {std::pair{&buckets.from_client, limit.from_client}, {&buckets.to_client, limit.to_client}})
    if (bucket->rate() != rate) *bucket = LimitBucket(rate, now_ns);
  session.where.limited = limit != abi::SessionLimit{};
}

void Table::remove(Session& session) {
  while (!session.key_order.empty()) remove_key(session, session.key_order.back());
  while (!session.routes.empty()) remove_route(session, session.routes.back());
  OuterAddress address{session.where.remote, session.where.port};
  if (addresses_.find(address) == session.where.peer_id) addresses_.erase(address);

  std::vector<uint32_t>& list = list_of(session);
  list[session.live_index] = list.back();
  sessions_[list.back()].live_index = session.live_index;
  list.pop_back();

  uint32_t generation = session.where.generation;
  session.~Session();
  Session& vacant = *new (&session) Session;
  vacant.last_generation = generation;
}

bool Table::set_remote(Session& session, const abi::Endpoint& remote, uint16_t port) {
  // An entry of the old place may be a newer session's by now: then it stays.
  OuterAddress before{session.where.remote, session.where.port};
  if (addresses_.find(before) == session.where.peer_id) addresses_.erase(before);
  if (!addresses_.set({remote, port}, session.where.peer_id)) return false;
  session.where.remote = remote;
  session.where.port = port;
  if (owns(session)) record(session).remote.write(remote);
  refresh_mss(session);
  return true;
}

// What the outer packet may be, less outer headers and what the key's format adds, is room for the inner packet.
void Table::refresh_mss(Session& session) {
  const abi::Endpoint& remote = session.where.remote;
  size_t outer = remote.address.family == abi::Family::kIpv6 ? sizeof(wire::Ipv6Header) : sizeof(wire::Ipv4Header);
  outer += remote.transport == abi::Transport::kTcp ? kOuterTcp : kOuterUdp;
  size_t room = session.mss_limit > outer ? inner_room(session, session.mss_limit - outer) : 0;
  bool framing_byte = session.where.framing == abi::Framing::kStub || session.where.framing == abi::Framing::kLzoStub;
  if (framing_byte && room != 0) --room;  // mtu.c, frame_calculate_payload_overhead
  auto mss = [&](size_t inner_ip) {
    size_t headers = inner_ip + sizeof(wire::TcpHeader);
    return static_cast<uint16_t>(room > headers ? room - headers : 0);
  };
  session.where.mss_ip4 = mss(sizeof(wire::Ipv4Header));
  session.where.mss_ip6 = mss(sizeof(wire::Ipv6Header));
}

bool Table::add_route(Session& session, const Prefix& prefix) {
  uint32_t owner = routes_.owner(prefix);
  if (owner == session.where.peer_id) return true;
  if (owner != Routes::kNone || session.routes.size() >= abi::kMaxSessionRoutes) return false;
  if (!routes_.add(prefix, session.where.peer_id)) return false;
  session.routes.push_back(prefix);
  return true;
}

void Table::remove_route(Session& session, const Prefix& prefix) {
  if (std::erase(session.routes, Prefix{prefix}) != 0) routes_.remove(prefix);
}

bool Table::make_key(Session& session, uint8_t key_id, bool epochs) {
  remove_key(session, key_id);
  if (session.key_order.size() >= kMaxKeys) {
    // The oldest, but never the one that is sent with: its successor may not have reached the peer yet.
    auto oldest = session.key_order.begin();
    if (session.send.key != nullptr && *oldest == session.send.key->key_id) ++oldest;
    remove_key(session, *oldest);
  }
  ReceiveKey* receive = receive_keys_.make();
  SendKey* send = send_keys_.make();
  if (receive != nullptr && epochs) receive->epochs = epoch_receive_.make();
  if (receive != nullptr && !epochs) receive->aead = expanded_keys_.make();
  if (send != nullptr && epochs) send->epochs = epoch_send_.make();
  if (send != nullptr) send->aead = expanded_keys_.make();
  bool whole = receive != nullptr && send != nullptr && send->aead != nullptr;
  if (whole && epochs) whole = receive->epochs != nullptr && send->epochs != nullptr;
  if (whole && !epochs) whole = receive->aead != nullptr;
  if (!whole) {
    destroy(receive, send);
    return false;
  }
  session.has_epochs = session.has_epochs || epochs;
  receive->key_id = key_id;
  send->key_id = key_id;
  receive->seen = &link_.seen(session.where.peer_id).highest[key_id];
  send->reserved = &record(session).send_reserved[key_id];
  session.receive.set_key(key_id, receive);
  session.send.keys[key_id] = send;
  session.key_order.push_back(key_id);
  return true;
}

void Table::destroy(ReceiveKey* receive, SendKey* send) {
  if (receive != nullptr) epoch_receive_.destroy(receive->epochs), expanded_keys_.destroy(receive->aead);
  if (send != nullptr) epoch_send_.destroy(send->epochs), expanded_keys_.destroy(send->aead);
  receive_keys_.destroy(receive);
  send_keys_.destroy(send);
}

void Table::remove_key(Session& session, uint8_t key_id) {
  if (std::erase(session.key_order, key_id) == 0) return;
  if (session.send.key == session.send.keys[key_id]) session.send.key = nullptr;
  destroy(session.receive.set_key(key_id, nullptr), std::exchange(session.send.keys[key_id], nullptr));
}

void Table::send_with(Session& session, uint8_t key_id) {
  session.send.key = session.send.keys[key_id];
  refresh_mss(session);
}

void Table::refresh_headers(Session& session) {
  bool v2 = session.where.format == abi::DataFormat::kV2;
  wire::Opcode opcode = v2 ? wire::Opcode::kDataV2 : wire::Opcode::kDataV1;
  uint32_t peer_id = session.remote_peer_id;
  for (uint8_t key_id : session.key_order) {
    SendKey& key = *session.send.keys[key_id];
    key.header = {wire::opcode_byte(opcode, key_id), static_cast<uint8_t>(peer_id >> 16),
                  static_cast<uint8_t>(peer_id >> 8), static_cast<uint8_t>(peer_id)};
    key.opcode_bytes = v2 ? 4 : 1;
    key.front = static_cast<uint8_t>(key.opcode_bytes + front_behind_opcode(key));
  }
  refresh_mss(session);
}

}  // namespace culvert::session
