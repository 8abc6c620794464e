#include "control/openvpn/client.h"

#include "control/openvpn/client_session.h"

namespace culvert::openvpn {

using abi::DropReason;

struct Client::State {
  State(ClientSettings given, abi::SessionRef own, Random& random)
      : engine{{}, {}, &random}, settings(std::move(given)), ref(own) {}

  Engine engine;
  ClientSettings settings;
  abi::SessionRef ref;
  std::unique_ptr<ClientSession> session;
};

Client::Client(ClientSettings settings, abi::SessionRef session, Random& random)
    : state_(std::make_unique<State>(std::move(settings), session, random)) {}

Client::~Client() = default;

void Client::start(Now now) {
  State& state = *state_;
  Session::Ids ids;
  while (ids.local == wire::SessionId{}) state.engine.random->fill(ids.local);
  const WrapSettings& wrap = state.settings.wrap;
  state.engine.tally.add(abi::Counter::handshakes_started);
  state.session = std::make_unique<ClientSession>(
      state.engine, state.settings, state.ref, Session::Path{state.settings.remote, {}, state.settings.port}, ids,
      Wrap(WrapKey::from_settings(wrap, Side::kClient)), wrap.kind == WrapKind::kNone ? nullptr : &wrap.key, now);
  state.session->start(now);
}

void Client::receive(const Datagram& datagram, Now now) {
  State& state = *state_;
  state.engine.tally.add(abi::Counter::control_rx_packets);
  std::optional<DropReason> reason = DropReason::control_no_session;
  if (state.session && datagram.remote == state.settings.remote) reason = state.session->receive(datagram, now);
  if (reason) state.engine.tally.drop(*reason);
}

void Client::tick(Now now) {
  if (state_->session) state_->session->tick(now);
  if (state_->session && state_->session->phase() == ClientSession::Phase::kGone) state_->session.reset();
}

std::optional<MonoTime> Client::next_deadline() const {
  return state_->session ? state_->session->next_deadline() : std::nullopt;
}

void Client::on_event(const abi::Event& event, Now now) {
  ClientSession* session = state_->session.get();
  if (!session || event.session != state_->ref) return;
  switch (event.kind) {
    case abi::EventKind::kKeyFirstUse:
      session->on_key_first_use(event.key_id, now);
      break;
    case abi::EventKind::kKeyNearLimit:
      if (event.key_id == session->keys().current()) session->renegotiate(now);
      break;
    case abi::EventKind::kPeerTimeout:
      session->end(EndReason::kPingTimeout, "nothing received from the server within ping-restart", now);
      break;
    case abi::EventKind::kPeerExit:
      session->end(EndReason::kServerStopping, "server said goodbye", now);
      break;
    case abi::EventKind::kCommandRefused: {
      auto kind = static_cast<abi::CommandKind>(event.detail);
      if (kind == abi::CommandKind::kInstallSession || kind == abi::CommandKind::kInstallKey)
        session->end(EndReason::kProtocolError, "the dataplane refused to install the session: see its log", now);
      break;
    }
    case abi::EventKind::kStreamClosed:
      session->end(EndReason::kServerStopping, "server closed the connection", now);
      break;
    case abi::EventKind::kFloated:
      break;  // a client's server does not move
  }
}

void Client::renegotiate(Now now) {
  if (state_->session) state_->session->renegotiate(now);
}

bool Client::exit(Now now) {
  return state_->session && state_->session->exit(now);
}

bool Client::connected() const {
  return state_->session && state_->session->phase() == ClientSession::Phase::kConnected;
}

SessionInfo Client::info() const {
  return state_->session ? state_->session->info() : SessionInfo{};
}

Outputs Client::take_outputs() {
  return std::exchange(state_->engine.outputs, {});
}

const abi::Tally& Client::tally() const {
  return state_->engine.tally;
}

}  // namespace culvert::openvpn
