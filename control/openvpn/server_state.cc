#include "control/openvpn/server_state.h"

#include <algorithm>

namespace culvert::openvpn {

namespace {

/// Takes the entry of `session` out of a multimap.
template <class Map, class Key>
void erase_one(Map& map, const Key& key, const ServerSession& session) {
  auto [at, end] = map.equal_range(key);
  for (; at != end; ++at) {
    if (at->second != &session) continue;
    map.erase(at);
    return;
  }
}

}  // namespace

size_t EndpointHash::operator()(const abi::Endpoint& endpoint) const {
  // The table is only reached by peers that proved their address, so nobody can fill one slot of it from spoofed
  // sources.
  uint64_t hash = endpoint.port ^ endpoint.stream << 16 ^ uint64_t { endpoint.scope_id } << 32;
  for (uint8_t byte : endpoint.address.bytes) hash = (hash ^ byte) * 0x100000001b3;
  return hash ^ hash >> 29;
}

Server::State::State(ServerSettings given, PeerIds& ids, Random& random)
    : engine{{},
             {},
             &random,
             [this](ServerSession& session, Now now) {
               // Without a certificate the password decides: take_place().
               if (session.identity().certificate_hash.empty()) return;
               if (ServerSession* older = older_of(session)) take_number(session, *older, now);
             }},
      settings(std::move(given)),
      peer_ids(ids),
      admission(settings, engine) {}

std::vector<ServerSession*> Server::State::at(const abi::Endpoint& remote) const {
  std::vector<ServerSession*> found;
  auto [begin, end] = by_address.equal_range(remote);
  for (auto it = begin; it != end; ++it) found.push_back(it->second);
  return found;
}

ServerSession* Server::State::find(abi::SessionRef ref) const {
  auto it = by_peer_id.find(ref.peer_id);
  return it != by_peer_id.end() && it->second->ref() == ref ? it->second : nullptr;
}

ServerSession* Server::State::find(const abi::Endpoint& remote, const wire::SessionId& client) const {
  auto [begin, end] = by_address.equal_range(remote);
  for (auto it = begin; it != end; ++it)
    if (it->second->ids().remote == client) return it->second;
  return nullptr;
}

void Server::State::add(std::unique_ptr<ServerSession> session) {
  ServerSession* raw = session.get();
  by_peer_id[raw->ref().peer_id] = raw;
  by_address.emplace(raw->path().remote, raw);
  sessions.emplace(raw, Entry{std::move(session), raw->ref(), std::nullopt, std::nullopt, std::nullopt});
}

void Server::State::remove(ServerSession& session) {
  auto it = sessions.find(&session);
  if (it == sessions.end()) return;
  unschedule(session);
  const Session::Path& path = session.path();
  erase_one(by_address, path.remote, session);
  if (path.remote.transport == abi::Transport::kTcp && !session.stream_lost()) close_stream(path.remote, path.port);
  if (it->second.closing) closing.erase(*it->second.closing);
  if (it->second.half_open) half_open.remove(*it->second.half_open);
  sessions.erase(it);
}

void Server::State::close_stream(const abi::Endpoint& remote, uint16_t port) {
  abi::Command command{};
  command.kind = abi::CommandKind::kCloseStream;
  command.body.stream = {remote, port};
  engine.outputs.push_back(SendCommand{command});
}

void Server::State::unschedule(ServerSession& session) {
  Entry& entry = sessions.at(&session);
  if (entry.deadline) erase_one(timers, *entry.deadline, session);
  entry.deadline.reset();
}

void Server::State::schedule(ServerSession& session) {
  std::optional<MonoTime> deadline = session.next_deadline();
  if (deadline == sessions.at(&session).deadline) return;
  unschedule(session);
  sessions.at(&session).deadline = deadline;
  if (deadline) timers.emplace(*deadline, &session);
}

void Server::State::settle(ServerSession& session, Now now) {
  auto it = sessions.find(&session);
  if (it == sessions.end()) return;
  Entry& entry = it->second;
  if (!session.alive() && !entry.closing) {
    entry.closing = closing.insert(closing.end(), &session);
    by_peer_id.erase(entry.ref.peer_id);
    by_name.erase({session.identity().common_name, &session});
    peer_ids.give_back(entry.ref, now);
  }
  count_half_open(session, entry);
  if (session.phase() == ServerSession::Phase::kGone)
    remove(session);
  else
    schedule(session);
}

void Server::State::count_half_open(const ServerSession& session, Entry& entry) {
  if (session.half_open() == entry.half_open.has_value()) return;
  if (entry.half_open) {
    half_open.remove(*entry.half_open);
    entry.half_open.reset();
  } else {
    entry.half_open = session.path().remote.address;
    half_open.add(*entry.half_open);
  }
}

void Server::State::end(ServerSession& session, Goodbye goodbye, EndReason reason, std::string_view text, Now now) {
  session.end(goodbye, reason, text, "", now);
  settle(session, now);
}

bool Server::State::within_connect_freq(Now now) {
  if (settings.connects_per_window == 0) return true;
  if (connects_in_window == 0 || now.mono - connect_window_began >= settings.connect_window) {
    connect_window_began = now.mono;
    connects_in_window = 0;
  }
  if (connects_in_window >= settings.connects_per_window) return false;
  ++connects_in_window;
  return true;
}

std::optional<abi::DropReason> Server::State::refusal(const abi::IpAddress& source, Now now) {
  const size_t alive = sessions.size() - closing.size();
  if (alive >= settings.max_clients) return abi::DropReason::control_server_full;
  // However many there are, as much as one address takes with them stays free for the others. Those behind one address
  // that do go on (carrier-grade NAT) make room for the next by that; refused ones repeat themselves.
  if (half_open.count(source) >= settings.max_clients - alive) return abi::DropReason::control_half_open;
  if (!within_connect_freq(now)) return abi::DropReason::control_rate_limited;
  return std::nullopt;
}

void Server::State::bound_closing() {
  while (closing.size() > settings.max_clients) remove(*closing.front());
}

void Server::State::admit(const Datagram& datagram, Admitted admitted, Now now) {
  std::optional<abi::DropReason> refused = refusal(datagram.remote.address, now);
  std::optional<abi::SessionRef> ref = refused ? std::nullopt : peer_ids.take(now);
  if (!ref) {
    engine.tally.drop(refused.value_or(abi::DropReason::control_server_full));
    // It repeats nothing that a connection has taken, but opens another one.
    if (datagram.remote.transport == abi::Transport::kTcp) close_stream(datagram.remote, datagram.port);
    return;
  }
  engine.tally.add(abi::Counter::handshakes_started);
  bound_closing();
  const StaticKey* wrap_key = nullptr;
  if (admitted.client_key)
    wrap_key = &admitted.client_key->key;
  else if (settings.wrap.kind != WrapKind::kNone)
    wrap_key = &settings.wrap.key;
  Session::Path path{datagram.remote, datagram.local, datagram.port};
  auto session = std::make_unique<ServerSession>(engine, settings, *ref, path, admitted.ids, std::move(admitted.wrap),
                                                 wrap_key, now);
  ServerSession* raw = session.get();
  add(std::move(session));
  raw->start(admitted.resets_done, now);
  if (auto reason = raw->receive(datagram, now)) engine.tally.drop(*reason);
  settle(*raw, now);
}

void Server::State::replace_older(ServerSession& winner, Now now) {
  std::vector<std::pair<ServerSession*, const char*>> older;
  auto [at, at_end] = by_address.equal_range(winner.path().remote);
  for (; at != at_end; ++at) older.emplace_back(at->second, "the client connected again from the same address");
  const std::string& name = winner.identity().common_name;
  // With duplicate-cn thousands may have this name.
  if (!settings.duplicate_cn && !name.empty())
    for (auto at_name = by_name.lower_bound({name, nullptr}); at_name != by_name.end() && at_name->first == name;
         ++at_name)
      older.emplace_back(at_name->second,
                         "another connection with the same common name took its place (duplicate-cn allows both)");
  for (auto& [session, text] : older) {
    // One may stand here twice, and may be gone by then.
    if (session == &winner || !sessions.contains(session) || !session->alive()) continue;
    end(*session, Goodbye::kSilent, EndReason::kClientRestarted, text, now);
  }
  by_name.emplace(name, &winner);
}

/// A stock client whose renegotiation has failed (because control was killed in the middle of it, or the path was down)
/// begins a new session in the place of the old one, but goes on with the peer-id that it was given first (init.c,
/// do_up: pushed options are applied once); the reference knows it by its address.
ServerSession* Server::State::older_of(const ServerSession& winner) const {
  ServerSession* older = nullptr;
  for (ServerSession* other : at(winner.path().remote))
    if (other != &winner && other->phase() == ServerSession::Phase::kConnected) older = other;
  return older && winner.same_client(*older) ? older : nullptr;
}

void Server::State::take_number(ServerSession& winner, ServerSession& older, Now now) {
  const abi::SessionRef number = older.ref();
  end(older, Goodbye::kSilent, EndReason::kClientRestarted, "the client began anew at the same address", now);
  auto again = peer_ids.take_again(number);
  if (!again) return;
  by_peer_id.erase(winner.ref().peer_id);
  peer_ids.give_back(winner.ref(), now);
  winner.renumber(*again);
  by_peer_id[again->peer_id] = &winner;
  sessions.at(&winner).ref = *again;
}

void Server::State::move(ServerSession& session, const Session::Path& path, Now now) {
  erase_one(by_address, session.path().remote, session);
  session.move_to(path, now);
  by_address.emplace(path.remote, &session);
  settle(session, now);
}

Wrap Server::State::wrap_of(const ServerSettings& settings, const abi::ControlRecord& record) {
  WrapKey key = record.has_wrap_key && !record.wrap_is_dynamic ? WrapKey::tls_crypt(record.wrap_key, Side::kServer)
                                                               : WrapKey::from_settings(settings.wrap, Side::kServer);
  return Wrap(std::move(key),
              WrapProgress{{record.wrap_send_time, record.wrap_send_id}, {record.wrap_seen_time, record.wrap_seen_id}});
}

}  // namespace culvert::openvpn
