#include "control/openvpn/server.h"

#include <algorithm>

#include "control/openvpn/server_state.h"

namespace culvert::openvpn {

using abi::DropReason;

Server::Server(ServerSettings settings, PeerIds& peer_ids, Random& random)
    : state_(std::make_unique<State>(std::move(settings), peer_ids, random)) {}

Server::~Server() = default;

void Server::receive(const Datagram& datagram, Now now) {
  State& state = *state_;
  abi::Tally& tally = state.engine.tally;
  tally.add(abi::Counter::control_rx_packets);
  auto first = wire::read_opcode(datagram.bytes);
  if (!first || datagram.bytes.size() < 1 + wire::kSessionIdSize)
    return tally.drop(first || datagram.bytes.empty() ? DropReason::control_malformed
                                                      : DropReason::control_unexpected_opcode);
  if (wire::is_data(first->opcode)) return tally.drop(DropReason::control_unexpected_opcode);
  wire::SessionId client{};
  std::copy_n(datagram.bytes.begin() + 1, client.size(), client.begin());
  if (ServerSession* session = state.find(datagram.remote, client)) {
    if (auto reason = session->receive(datagram, now)) tally.drop(*reason);
    state.settle(*session, now);
    return;
  }
  // A client that was just told to connect again must find the next gateway, not the one that is about to go.
  if (state.stopping) return tally.drop(DropReason::control_stopping);
  bool known = state.by_address.contains(datagram.remote);
  bool over_tcp = datagram.remote.transport == abi::Transport::kTcp;
  // A connection carries one client, which opens another one to begin anew.
  if (over_tcp && known) return tally.drop(DropReason::control_wrong_session_id);
  Admission::Verdict verdict = state.admission.judge(datagram, *first, now);
  if (auto* reason = std::get_if<DropReason>(&verdict)) {
    bool other_session = *reason == DropReason::control_no_session && known;
    tally.drop(other_session ? DropReason::control_wrong_session_id : *reason);
    // Its client learns at once that it has to begin anew, for instance after a restart of control.
    if (over_tcp) state.close_stream(datagram.remote, datagram.port);
  } else if (auto* admitted = std::get_if<Admitted>(&verdict)) {
    state.admit(datagram, std::move(*admitted), now);
  }
}

void Server::tick(Now now) {
  State& state = *state_;
  // Each session at most once per call, so that none can hold up the others.
  std::vector<ServerSession*> due;
  for (auto it = state.timers.begin(); it != state.timers.end() && it->first <= now.mono; ++it)
    due.push_back(it->second);
  for (ServerSession* session : due) {
    if (!state.sessions.contains(session)) continue;
    session->tick(now);
    state.settle(*session, now);
  }
}

std::optional<MonoTime> Server::next_deadline() const {
  if (state_->timers.empty()) return std::nullopt;
  return state_->timers.begin()->first;
}

void Server::accept(abi::SessionRef ref, const ClientGrant& grant, Now now) {
  ServerSession* session = state_->find(ref);
  if (!session || session->phase() != ServerSession::Phase::kDeciding) return;
  if (!grant.name.empty()) session->rename(grant.name);
  state_->replace_older(*session, now);
  session->accept(grant, now);
  state_->settle(*session, now);
}

std::optional<Server::Place> Server::take_place(abi::SessionRef ref, Now now) {
  ServerSession* session = state_->find(ref);
  bool decided = session && session->phase() == ServerSession::Phase::kDeciding;
  // A certificate has been enough when TLS showed it. Who chose its peer-id itself has been told ours by now.
  if (!decided || !session->identity().certificate_hash.empty() || session->told_its_number()) return std::nullopt;
  ServerSession* older = state_->older_of(*session);
  if (!older) return std::nullopt;
  const abi::SessionRef before = older->ref();
  state_->take_number(*session, *older, now);
  return Place{before, session->ref()};
}

void Server::refuse(abi::SessionRef ref, std::string_view reason_for_client, std::string_view reason_for_operator,
                    Now now) {
  ServerSession* session = state_->find(ref);
  if (!session) return;
  session->refuse(reason_for_client, reason_for_operator, now);
  state_->settle(*session, now);
}

void Server::accept_renewal(abi::SessionRef ref, const std::vector<std::string>& options, Now now) {
  ServerSession* session = state_->find(ref);
  if (!session) return;
  session->accept_renewal(options, now);
  state_->settle(*session, now);
}

void Server::push(abi::SessionRef ref, const std::vector<std::string>& options, Now now) {
  ServerSession* session = state_->find(ref);
  if (!session) return;
  session->push(options, now);
  state_->settle(*session, now);
}

void Server::auth_pending(abi::SessionRef ref, std::chrono::seconds timeout, std::string_view extra, Now now) {
  ServerSession* session = state_->find(ref);
  if (!session) return;
  session->auth_pending(timeout, extra, now);
  state_->settle(*session, now);
}

void Server::renegotiate(abi::SessionRef ref, Now now) {
  ServerSession* session = state_->find(ref);
  if (!session || session->phase() != ServerSession::Phase::kConnected) return;
  session->renegotiate(now);
  state_->settle(*session, now);
}

uint64_t Server::renegotiations(abi::SessionRef ref) const {
  const ServerSession* session = state_->find(ref);
  return session ? session->renegotiations() : 0;
}

bool Server::push_update(abi::SessionRef ref, const std::vector<PushChange>& changes, Now now) {
  ServerSession* session = state_->find(ref);
  if (!session || !session->push_update(changes, now)) return false;
  state_->settle(*session, now);
  return true;
}

bool Server::limit(abi::SessionRef ref, const abi::SessionLimit& limit, Now now) {
  ServerSession* session = state_->find(ref);
  if (!session || session->phase() != ServerSession::Phase::kConnected) return false;
  session->limit(limit);
  state_->settle(*session, now);
  return true;
}

void Server::disconnect(abi::SessionRef ref, Goodbye goodbye, EndReason reason, std::string_view text, Now now,
                        std::string_view text_for_peer) {
  ServerSession* session = state_->find(ref);
  if (!session) return;
  session->end(goodbye, reason, text, text_for_peer, now);
  state_->settle(*session, now);
}

void Server::stop(Goodbye goodbye, Now now) {
  state_->stopping = true;
  std::vector<ServerSession*> all;
  for (auto& [peer_id, session] : state_->by_peer_id) all.push_back(session);
  for (ServerSession* session : all)
    state_->end(*session, goodbye, EndReason::kServerStopping, "server is stopping", now);
}

void Server::leave() {
  state_->engine.leaving = true;
}

Server::Unfinished Server::unfinished(Now now) const {
  Unfinished sum;
  for (const auto& [session, entry] : state_->sessions) {
    if (session->alive() && session->phase() != ServerSession::Phase::kConnected)
      ++sum.handshakes;
    else if (session->alive() && session->negotiating(now))
      ++sum.renegotiations;
    // One that was young when it began, and is not counted above: a client that does not answer is not waited for.
    else if (session->speaking(now) && !(session->alive() && session->negotiating({.mono = MonoTime{}, .wall = {}})))
      ++sum.messages;
  }
  return sum;
}

Server::Census Server::census(Now now) const {
  Census sum;
  for (const auto& [peer_id, session] : state_->by_peer_id) {
    if (session->phase() != ServerSession::Phase::kConnected) continue;
    ++sum.connected;
    if (session->path().remote.transport == abi::Transport::kTcp) ++sum.over_tcp;
    if (!session->keys().known(now.mono)) ++sum.without_keys;
  }
  return sum;
}

void Server::renew_keys(Now now) {
  std::vector<ServerSession*> old;
  for (const auto& [peer_id, session] : state_->by_peer_id)
    if (session->phase() == ServerSession::Phase::kConnected && !session->keys().known(now.mono))
      old.push_back(session);
  for (ServerSession* session : old) {
    session->renegotiate_soon(now);
    state_->settle(*session, now);
  }
}

void Server::on_event(const abi::Event& event, Now now) {
  State& state = *state_;
  if (event.kind == abi::EventKind::kStreamClosed) {
    for (ServerSession* session : state.at(event.endpoint)) {
      session->lose_stream("the connection to the client ended", now);
      state.settle(*session, now);
    }
    return;
  }
  ServerSession* session = state.find(event.session);
  if (!session) return;
  switch (event.kind) {
    case abi::EventKind::kFloated: {
      bool same_transport = event.endpoint.transport == session->path().remote.transport;
      if (same_transport) state.move(*session, {event.endpoint, event.local, event.port}, now);
      return;
    }
    case abi::EventKind::kPeerTimeout:
      return state.end(*session, Goodbye::kSilent, EndReason::kPingTimeout, "nothing received within ping-restart",
                       now);
    case abi::EventKind::kPeerExit:
      return state.end(*session, Goodbye::kSilent, EndReason::kClientExit, "client said goodbye", now);
    case abi::EventKind::kKeyNearLimit:
      if (event.key_id == session->keys().current()) session->renegotiate(now);
      break;
    case abi::EventKind::kKeyFirstUse:
      session->on_key_first_use(event.key_id, now);
      break;
    case abi::EventKind::kCommandRefused: {
      auto kind = static_cast<abi::CommandKind>(event.detail);
      if (kind != abi::CommandKind::kInstallSession && kind != abi::CommandKind::kInstallKey) return;
      return state.end(*session, Goodbye::kRestart, EndReason::kProtocolError,
                       "the dataplane refused to install the session: see its log", now);
    }
    case abi::EventKind::kStreamClosed:
      break;
  }
  state.settle(*session, now);
}

bool Server::adopt(uint32_t peer_id, const abi::ControlRecord& record, const abi::Endpoint& remote, Now now,
                   std::vector<abi::InnerPrefix> networks) {
  State& state = *state_;
  bool fits = record.state == abi::RecordState::kConnected && record.generation != 0 && record.current_key_id <= 7 &&
              record.local_session_id != wire::SessionId{} && record.remote_session_id != wire::SessionId{} &&
              cipher_name(record.cipher) != "unknown" &&
              (abi::digest_size(record.digest) != 0) == abi::is_cbc(record.cipher) &&
              !state.by_peer_id.contains(peer_id) && remote.address.family != abi::Family::kNone;
  if (!fits) return false;
  Session::Path path{remote, record.settings.local, record.settings.port};
  auto session = std::make_unique<ServerSession>(
      state.engine, state.settings, abi::SessionRef{peer_id, record.generation}, path,
      Session::Ids{record.local_session_id, record.remote_session_id}, State::wrap_of(state.settings, record),
      record.has_wrap_key && !record.wrap_is_dynamic ? &record.wrap_key : nullptr, now);
  session->adopt(record, std::move(networks), now);
  ServerSession* raw = session.get();
  state.by_name.emplace(raw->identity().common_name, raw);
  state.add(std::move(session));
  state.settle(*raw, now);
  return true;
}

void Server::lose_network(abi::SessionRef ref, const abi::InnerPrefix& network) {
  if (ServerSession* session = state_->find(ref)) session->lose_network(network);
}

void Server::reinstall(ProgressOf progress, void* context, Now now) {
  std::vector<ServerSession*> all;
  for (auto& [peer_id, session] : state_->by_peer_id) all.push_back(session);
  for (ServerSession* session : all) {
    session->reinstall([&](uint8_t key_id) { return progress(context, session->ref(), key_id); }, now);
    state_->settle(*session, now);
  }
}

void Server::replace_lost_keys(Now now) {
  constexpr std::chrono::milliseconds kBetween{1};  // about what one takes; all at once would not fit into the link
  std::vector<ServerSession*> lost;
  for (const auto& [peer_id, session] : state_->by_peer_id)
    if (session->phase() == ServerSession::Phase::kConnected && session->keys().peer_may_send_with_lost())
      lost.push_back(session);
  MonoTime at = now.mono;
  for (ServerSession* session : lost) {
    session->renegotiate_by(at);
    state_->settle(*session, now);
    at += kBetween;
  }
}

void Server::set_settings(ServerSettings settings) {
  state_->settings = std::move(settings);
  state_->admission.reload();
}

const ServerSettings& Server::settings() const {
  return state_->settings;
}

std::vector<SessionInfo> Server::sessions() const {
  std::vector<SessionInfo> all;
  for (auto& [peer_id, session] : state_->by_peer_id) all.push_back(session->info());
  std::ranges::sort(all, {}, [](const SessionInfo& info) { return info.session.peer_id; });
  return all;
}

std::optional<SessionInfo> Server::session(abi::SessionRef ref) const {
  ServerSession* session = state_->find(ref);
  return session ? std::optional(session->info()) : std::nullopt;
}

size_t Server::session_count() const {
  return state_->by_peer_id.size();
}

Outputs Server::take_outputs() {
  return std::exchange(state_->engine.outputs, {});
}

const abi::Tally& Server::tally() const {
  return state_->engine.tally;
}

}  // namespace culvert::openvpn
