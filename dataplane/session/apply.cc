#include "dataplane/session/apply.h"

#include <algorithm>

#include "dataplane/abi/setup.h"
#include "dataplane/crypto/wipe.h"
#include "dataplane/session/publish.h"
#include "dataplane/wire/openvpn.h"

namespace culvert::session {
namespace {

using abi::Family;

constexpr uint16_t kMinTunMtu = 68;     ///< RFC 791: every module must forward this much
constexpr uint16_t kMaxTunMtu = 9000;   ///< the TUN is refused one that packet buffers have no room for
constexpr uint16_t kMinMssLimit = 256;  ///< below, nothing of a segment would be left
constexpr uint32_t kAllFlags =
    abi::session_flag::kClientToClient | abi::session_flag::kMayFloat | abi::session_flag::kInitiator;

bool is_ip(Family family) {
  return family == Family::kIpv4 || family == Family::kIpv6;
}

bool valid(const abi::Endpoint& remote) {
  bool transport = remote.transport == abi::Transport::kUdp || remote.transport == abi::Transport::kTcp;
  bool rest_is_zero =
      remote.address.family == Family::kIpv6 ||
      std::all_of(remote.address.bytes.begin() + 4, remote.address.bytes.end(), [](uint8_t byte) { return byte == 0; });
  return is_ip(remote.address.family) && transport && remote.port != 0 && rest_is_zero;
}

bool valid(const abi::SessionLimit& limit) {
  return limit.from_client <= abi::kMaxLimit && limit.to_client <= abi::kMaxLimit;
}

bool valid(const abi::InstallSession& settings) {
  bool format = settings.format == abi::DataFormat::kV1 || settings.format == abi::DataFormat::kV2;
  bool local = settings.local.address.family == Family::kNone || is_ip(settings.local.address.family);
  bool sizes = settings.tun_mtu >= kMinTunMtu && settings.tun_mtu <= kMaxTunMtu &&
               (settings.mss_limit == 0 || settings.mss_limit >= kMinMssLimit) &&
               settings.replay_window <= ReplayWindow::kMaxSize;
  return valid(settings.remote) && format && local && sizes && settings.port < abi::kMaxPorts &&
         (settings.flags & ~kAllFlags) == 0 && settings.framing <= abi::Framing::kLzoStub &&
         settings.remote_peer_id <= abi::kNoPeerId && valid(settings.limit);
}

/// The session's own addresses as routes.
std::vector<Prefix> own_prefixes(const abi::InstallSession& settings) {
  std::vector<Prefix> prefixes;
  if (settings.ip4 != std::array<uint8_t, 4>{}) prefixes.push_back(make_prefix(4, settings.ip4.data(), 32));
  if (settings.ip6 != std::array<uint8_t, 16>{}) prefixes.push_back(make_prefix(6, settings.ip6.data(), 128));
  return prefixes;
}

Applied install_session(Table& table, const abi::SessionRef& ref, uint16_t owner, const abi::InstallSession& settings,
                        uint64_t now_ns) {
  if (ref.peer_id >= table.capacity() || ref.generation == 0 || owner >= table.workers() || !valid(settings))
    return Applied::kInvalid;
  Session& slot = table.at(ref.peer_id);
  uint32_t current = slot.live() ? slot.where.generation : slot.last_generation;
  bool same_life = slot.live() && ref.generation == current;
  if (!same_life && ref.generation <= current) return Applied::kStale;
  if (same_life && slot.where.owner != owner) return Applied::kInvalid;

  std::vector<Prefix> prefixes = own_prefixes(settings);
  if (table.routes().free() < prefixes.size()) return Applied::kNoRoom;
  for (const Prefix& prefix : prefixes) {
    uint32_t holder = table.routes().owner(prefix);
    if (holder != Routes::kNone && holder != ref.peer_id) return Applied::kNoRoom;
  }

  if (slot.live() && !same_life) table.remove(slot);
  Session& session = same_life ? slot : table.create(ref, owner, now_ns);
  if (same_life)
    for (auto [version, address] : {std::pair{4, session.where.ip4.data()}, std::pair{6, session.receive.ip6.data()}})
      table.remove_route(session, make_prefix(static_cast<uint8_t>(version), address, version == 4 ? 32 : 128));
  session.where.format = settings.format;
  session.where.framing = settings.framing;
  session.where.tun_mtu = settings.tun_mtu;
  session.where.client_to_client = (settings.flags & abi::session_flag::kClientToClient) != 0;
  session.where.may_float = (settings.flags & abi::session_flag::kMayFloat) != 0;
  session.where.ip4 = settings.ip4;
  session.receive.ip6 = settings.ip6;
  session.send.local = settings.local;
  session.flags = settings.flags;
  session.remote_peer_id = settings.remote_peer_id;
  session.replay_window = settings.replay_window;
  session.mss_limit = settings.mss_limit;
  session.ping_interval = settings.ping_interval;
  session.ping_timeout = settings.ping_timeout;
  if (table.owns(session)) table.set_limit(session, settings.limit, now_ns);
  for (const Prefix& prefix : prefixes) table.add_route(session, prefix);
  table.set_remote(session, settings.remote, settings.port);
  Table::refresh_headers(session);
  return Applied::kDone;
}

template <class Iv>
Iv implicit_part(const abi::DirectionKey& key) {
  Iv iv{};
  std::copy_n(key.implicit_iv.begin(), sizeof(ImplicitIv), iv.begin());
  return iv;
}

/// True when the slot holds this very key already. Then its packet-ids must go on where they are: starting again would
/// repeat nonces.
bool is_same_key(const Session& session, const abi::InstallKey& install, const aead::Key& send) {
  const SendKey* old = session.send.keys[install.key_id];
  if (old == nullptr || old->cipher != install.cipher || old->format != install.format) return false;
  if (install.format == abi::KeyFormat::kEpoch) return old->epochs->installed == install.send.key;
  return old->implicit_iv == implicit_part<decltype(old->implicit_iv)>(install.send) &&
         std::memcmp(old->aead, &send, sizeof send) == 0;
}

/// True when cipher and digest are ones that exist and go with the format.
bool valid_format(const abi::InstallKey& install) {
  switch (install.format) {
    case abi::KeyFormat::kAead:
    case abi::KeyFormat::kEpoch:
      return abi::is_aead(install.cipher) && install.digest == abi::Digest::kNone;
    case abi::KeyFormat::kCbcHmac:
      return abi::is_cbc(install.cipher) && abi::digest_size(install.digest) != 0;
  }
  return false;
}

bool valid_packet_ids(const abi::InstallKey& install) {
  if (install.format == abi::KeyFormat::kEpoch)
    return abi::epoch_of(install.first_packet_id) != 0 && abi::epoch_of(install.replay_floor) != 0 &&
           install.first_packet_id << (64 - abi::kEpochShift) != 0;
  return install.first_packet_id != 0 && install.first_packet_id <= kPacketIdEnd && install.replay_floor < kPacketIdEnd;
}

bool valid(const abi::InstallKey& install) {
  return install.key_id < kKeyIds && valid_format(install) && valid_packet_ids(install) && install.send_at_once <= 1;
}

void expand(aead::Engine& aead, const abi::InstallKey& install, const abi::DirectionKey& from, aead::Key& key) {
  if (install.format == abi::KeyFormat::kCbcHmac)
    aead.expand_cbc(install.cipher, install.digest, from, key);
  else
    aead.expand(install.cipher, from.key, key);
}

/// Fills the key's slot, which is new. `expanded`: of the sending direction.
void fill_key(aead::Engine& aead, Session& session, const abi::InstallKey& install, const aead::Key& expanded) {
  SendKey& send = *session.send.keys[install.key_id];
  ReceiveKey& receive = *session.receive.keys[install.key_id];
  send.cipher = receive.cipher = install.cipher;
  send.format = receive.format = install.format;
  send.reserved->store(install.first_packet_id, std::memory_order_relaxed);
  receive.seen->store(install.replay_floor, std::memory_order_relaxed);
  if (install.format == abi::KeyFormat::kEpoch) return start_epochs(aead, session, install, receive, send);

  send.implicit_iv = implicit_part<decltype(send.implicit_iv)>(install.send);
  send.next_id = install.first_packet_id;
  send.reserved_end = install.first_packet_id;
  *send.aead = expanded;
  send.has_compact = aead.make_compact(install.cipher, install.send.key, expanded, send.compact);
  receive.implicit_iv = implicit_part<ImplicitIv>(install.receive);
  receive.window.reset(session.replay_window, install.replay_floor);
  if (session.where.remote.transport == abi::Transport::kTcp) receive.window.demand_sequence();
  expand(aead, install, install.receive, *receive.aead);
  receive.has_compact = aead.make_compact(install.cipher, install.receive.key, *receive.aead, receive.compact);
}

Applied install_key(Table& table, aead::Engine& aead, Session& session, const abi::InstallKey& install) {
  if (!valid(install)) return Applied::kInvalid;
  aead::Key expanded;
  expand(aead, install, install.send, expanded);
  bool known = is_same_key(session, install, expanded);
  bool made = known || table.make_key(session, install.key_id, install.format == abi::KeyFormat::kEpoch);
  if (made && !known) fill_key(aead, session, install, expanded);
  aead::wipe(expanded);
  if (!made) return Applied::kNoRoom;
  Table::refresh_headers(session);
  if (install.send_at_once == 1) table.send_with(session, install.key_id);
  return Applied::kDone;
}

bool valid(const abi::InnerPrefix& route) {
  return (route.address.family == Family::kIpv4 && route.length <= 32) ||
         (route.address.family == Family::kIpv6 && route.length <= 128);
}

Applied change_route(Table& table, Session& session, const abi::InnerPrefix& route, bool add) {
  if (!valid(route)) return Applied::kInvalid;
  uint8_t version = route.address.family == Family::kIpv4 ? 4 : 6;
  Prefix prefix = make_prefix(version, route.address.bytes.data(), route.length);
  if (add) return table.add_route(session, prefix) ? Applied::kDone : Applied::kNoRoom;
  table.remove_route(session, prefix);
  return Applied::kDone;
}

/// What the owner has seen by itself is told to the others.
Applied move_session(Table& table, Session& session, const abi::StreamRef& place) {
  if (table.owns(session) || !valid(place.remote) || place.port >= abi::kMaxPorts) return Applied::kInvalid;
  return table.set_remote(session, place.remote, place.port) ? Applied::kDone : Applied::kNoRoom;
}

Applied change_key(Table& table, aead::Engine& aead, Session& session, const abi::Command& command) {
  if (!table.owns(session)) return Applied::kInvalid;
  if (command.kind == abi::CommandKind::kInstallKey) return install_key(table, aead, session, command.body.install_key);
  uint8_t key_id = command.body.key.key_id;
  if (key_id >= kKeyIds) return Applied::kInvalid;
  if (command.kind == abi::CommandKind::kRemoveKey) {
    table.remove_key(session, key_id);
    return Applied::kDone;
  }
  if (session.send.keys[key_id] == nullptr) return Applied::kInvalid;
  table.send_with(session, key_id);
  return Applied::kDone;
}

}  // namespace

Applied apply(Table& table, aead::Engine& aead, const abi::Command& command, uint64_t now_ns) {
  using abi::CommandKind;
  bool of_a_session = command.kind >= CommandKind::kInstallSession && command.kind <= CommandKind::kLimitSession &&
                      command.kind != CommandKind::kCloseStream;
  if (!of_a_session) return Applied::kInvalid;
  if (command.kind == CommandKind::kInstallSession)
    return install_session(table, command.session, command.owner, command.body.install_session, now_ns);
  if (command.session.peer_id >= table.capacity()) return Applied::kInvalid;
  Session* session = table.find(command.session.peer_id);
  if (session == nullptr || session->where.generation != command.session.generation) return Applied::kStale;

  switch (command.kind) {
    case CommandKind::kInstallKey:
    case CommandKind::kSendWithKey:
    case CommandKind::kRemoveKey:
      return change_key(table, aead, *session, command);
    case CommandKind::kRemoveSession:
      if (table.owns(*session)) publish(*session, table.record(*session));
      table.remove(*session);
      return Applied::kDone;
    case CommandKind::kAddRoute:
      return change_route(table, *session, command.body.route, true);
    case CommandKind::kRemoveRoute:
      return change_route(table, *session, command.body.route, false);
    case CommandKind::kMoveSession:
      return move_session(table, *session, command.body.stream);
    case CommandKind::kLimitSession:
      if (!table.owns(*session) || !valid(command.body.limit)) return Applied::kInvalid;
      table.set_limit(*session, command.body.limit, now_ns);
      return Applied::kDone;
    case CommandKind::kInstallSession:
    case CommandKind::kCloseStream:
      break;
  }
  return Applied::kInvalid;
}

}  // namespace culvert::session
