#include "control/openvpn/client_session.h"

#include <algorithm>

#include "control/openvpn/push_update.h"

namespace culvert::openvpn {

using namespace std::chrono_literals;

namespace {
constexpr auto kAskEvery = 5s;  // push.c, PUSH_REQUEST_INTERVAL
constexpr auto kGoodbye = 15s;  // for a goodbye that does not arrive at once
}  // namespace

ClientSession::ClientSession(Engine& engine, const ClientSettings& settings, abi::SessionRef ref, const Path& path,
                             const Ids& ids, Wrap wrap, const StaticKey* wrap_key, Now now)
    : Session(Side::kClient, engine, settings, ref, path, ids, std::move(wrap), wrap_key),
      deadline_(now.mono + settings.hand_window) {}

void ClientSession::start(Now now) {
  bool v2 = settings_.wrap.kind == WrapKind::kTlsCryptV2;
  if (v2) wrap_.sender().announce_early_negotiation(now.wall);
  start_first(false, v2 ? wire::Opcode::kHardResetClientV3 : wire::Opcode::kHardResetClientV2, now);
}

void ClientSession::on_established(Negotiation& negotiation, Now now) {
  if (phase_ == Phase::kHandshake) {
    lock_identity(negotiation);
  } else if (!same_identity(negotiation)) {
    end(EndReason::kIdentityChanged, "server came back with another certificate", now);
    return;
  }
  KeyMethod2 own;
  own.options = options_string(settings_, false, path_.remote, server_options_);
  own.peer_info = client_peer_info(client_settings(), ref_.peer_id);
  own.username = client_settings().username;
  own.password = client_settings().password;
  own.has_credentials = !own.username.empty();
  send_key_method2(negotiation, std::move(own), now);
}

void ClientSession::lock_identity(const Negotiation& negotiation) {
  const crypto::TlsStream& tls = negotiation.channel.tls();
  if (const crypto::PeerCertificate* peer = tls.peer()) {
    server_.common_name = peer->common_name;
    server_.subject = peer->subject;
    server_.serial = peer->serial;
    server_.certificate_hash = peer->sha256;
  }
  server_.tls_version = tls.version();
  server_.tls_cipher = tls.cipher();
}

bool ClientSession::same_identity(const Negotiation& negotiation) const {
  const crypto::PeerCertificate* peer = negotiation.channel.tls().peer();
  return peer ? peer->sha256 == server_.certificate_hash : server_.certificate_hash.empty();
}

void ClientSession::on_key_method2(Negotiation& negotiation, KeyMethod2 message, Now now) {
  if (phase_ == Phase::kHandshake) {
    server_options_ = message.options;
    bool chose_ours = announced_peer_id(client_peer_info(client_settings(), ref_.peer_id)).has_value();
    if (chose_ours) server_peer_id_ = announced_peer_id(message.peer_info);
    phase_ = Phase::kAsking;
    deadline_ = now.mono + settings_.hand_window;
    if (client_settings().pull)
      ask(now);
    else
      connect({}, now);
  } else if (phase_ == Phase::kConnected && !install_keys(negotiation)) {
    end(EndReason::kProtocolError, "data keys could not be derived", now);
  }
}

void ClientSession::ask(Now now) {
  say(build_message(MessageKind::kPushRequest));
  ask_again_ = now.mono + kAskEvery;
}

void ClientSession::on_message(const ControlMessage& message, Now now) {
  std::string text = message.text.empty() ? std::string() : ": " + message.text;
  switch (message.kind) {
    case MessageKind::kPushReply:
      if (phase_ == Phase::kAsking) take_push(message.text, now);
      break;
    case MessageKind::kPushUpdate:
      if (phase_ == Phase::kConnected) take_update(message.text, now);
      break;
    case MessageKind::kAuthFailed:
      end(EndReason::kAuthFailed, "server refused us" + text, now);
      break;
    case MessageKind::kHalt:
      end(EndReason::kKilled, "server told us to stop" + text, now);
      break;
    case MessageKind::kRestart:
      end(EndReason::kServerStopping, "server told us to connect again" + text, now);
      break;
    case MessageKind::kExit:
      end(EndReason::kServerStopping, "server said goodbye", now);
      break;
    case MessageKind::kAuthPending:
      deadline_ = now.mono + settings_.hand_window;
      break;
    default:
      break;
  }
}

void ClientSession::take_push(std::string_view text, Now now) {
  switch (collector_.add(text)) {
    case PushCollector::State::kMore:
      return;
    case PushCollector::State::kTooMuch:
      end(EndReason::kProtocolError, "server pushed more options than a client takes", now);
      return;
    case PushCollector::State::kComplete:
      connect(collector_.take(), now);
  }
}

void ClientSession::take_update(std::string_view text, Now now) {
  if (!update_) update_.emplace();
  switch (update_->add(text)) {
    case PushCollector::State::kMore:
      return;
    case PushCollector::State::kTooMuch:
      return end(EndReason::kProtocolError, "server pushed more changes than a client takes", now);
    case PushCollector::State::kComplete:
      break;
  }
  std::string all;
  for (const std::string& option : update_->take()) all += option + ",";
  update_.reset();
  if (all.empty()) return;
  // A stock client connects again when it is told what it can't do (push_util.c, process_push_update).
  auto changes = parse_push_update(all);
  if (!changes) return end(EndReason::kProtocolError, "server pushed a change that can't be: " + changes.error(), now);
  apply_push_update(options_, *changes);
  engine_.outputs.push_back(PushReceived{options_});
}

void ClientSession::connect(std::vector<std::string> options, Now now) {
  auto pushed = read_push(options, client_settings());
  if (!pushed) return end(EndReason::kProtocolError, pushed.error(), now);
  pushed_ = *pushed;
  auto named = parse_cipher(occ_option(server_options_, "cipher"));
  agreement_.cipher = pushed_.cipher ? *pushed_.cipher : named ? *named : settings_.data_ciphers.front();
  if (abi::is_cbc(agreement_.cipher)) agreement_.digest = settings_.auth;
  agreement_.epoch_keys = pushed_.epoch_keys;
  agreement_.remote_peer_id = server_peer_id_ ? server_peer_id_ : pushed_.peer_id;
  agreement_.format = agreement_.remote_peer_id ? abi::DataFormat::kV2 : abi::DataFormat::kV1;
  agreement_.tls_key_export = pushed_.tls_key_export;
  agreement_.dynamic_tls_crypt = pushed_.dynamic_tls_crypt;
  agreement_.cc_exit = pushed_.cc_exit;
  Negotiation* first = first_negotiation();
  abi::Command command{};
  command.kind = abi::CommandKind::kInstallSession;
  abi::InstallSession& body = command.body.install_session;
  body = {};
  body.remote = path_.remote;
  body.local = path_.local;
  body.port = path_.port;
  body.format = agreement_.format;
  body.framing = pushed_.framing.value_or(settings_.framing);
  body.flags = abi::session_flag::kInitiator;
  body.remote_peer_id = agreement_.remote_peer_id.value_or(abi::kNoPeerId);
  body.tun_mtu = pushed_.tun_mtu ? static_cast<uint16_t>(*pushed_.tun_mtu) : settings_.tun_mtu;
  body.mss_limit = settings_.mssfix;
  body.ping_interval =
      static_cast<uint16_t>(pushed_.ping.value_or(static_cast<uint32_t>(client_settings().ping.count())));
  body.ping_timeout = static_cast<uint16_t>(
      pushed_.ping_restart.value_or(static_cast<uint32_t>(client_settings().ping_restart.count())));
  body.replay_window = settings_.replay_window;
  body.ip4 = pushed_.ip4;
  body.ip6 = pushed_.ip6;
  send_command(command);
  phase_ = Phase::kConnected;
  ask_again_.reset();
  connected_since_ = now.wall;
  if (!make_dynamic_wrap(*first) || !install_keys(*first))
    return end(EndReason::kProtocolError, "keys could not be derived", now);
  engine_.tally.add(abi::Counter::handshakes_finished);
  options_ = options;
  engine_.outputs.push_back(PushReceived{std::move(options)});
  engine_.outputs.push_back(SessionConnected{ref_, agreement_.cipher});
  schedule_renegotiation(now);
}

bool ClientSession::exit(Now now) {
  bool said = phase_ == Phase::kConnected && agreement_.cc_exit;
  if (said) say(build_message(MessageKind::kExit));
  end(EndReason::kKilled, "left", now);
  return said;
}

void ClientSession::end(EndReason reason, std::string_view text, Now now) {
  if (!alive()) return;
  bool was_connected = phase_ == Phase::kConnected;
  if (was_connected) {
    abi::Command command{};
    command.kind = abi::CommandKind::kRemoveSession;
    send_command(command);
  } else {
    engine_.tally.add(abi::Counter::handshakes_failed);
  }
  phase_ = Phase::kClosing;
  stop_renegotiating();
  ring_ = {};
  ask_again_.reset();
  linger_until_ = now.mono + kLinger;
  deadline_ = now.mono + kGoodbye;
  engine_.outputs.push_back(
      SessionEnded{ref_, path_.remote, reason, was_connected, server_.common_name, std::string(text)});
  pump(now);
}

void ClientSession::on_failed(EndReason reason, std::string text, Now now) {
  end(reason, text, now);
}

void ClientSession::on_tick(Now now) {
  if (phase_ == Phase::kAsking && ask_again_ && now.mono >= *ask_again_) ask(now);
  bool said = all_said() && now.mono >= linger_until_;
  if (phase_ == Phase::kClosing && (said || now.mono >= deadline_)) phase_ = Phase::kGone;
  if ((phase_ == Phase::kHandshake || phase_ == Phase::kAsking) && now.mono >= deadline_) {
    bool answered = ids_.remote != wire::SessionId{};
    end(EndReason::kHandshakeTimeout,
        !answered                     ? "no answer: server not reachable, or it does not accept this wrap key"
        : phase_ == Phase::kHandshake ? "TLS handshake did not finish in time"
                                      : "server did not send our settings in time",
        now);
  }
}

std::optional<MonoTime> ClientSession::role_deadline() const {
  if (phase_ == Phase::kConnected || phase_ == Phase::kGone) return std::nullopt;
  if (phase_ == Phase::kClosing) return all_said() ? linger_until_ : deadline_;
  return ask_again_ ? std::min(*ask_again_, deadline_) : deadline_;
}

SessionInfo ClientSession::info() const {
  SessionInfo info = common_info();
  info.identity = server_;
  info.grant.ip4 = pushed_.ip4;
  info.grant.ip6 = pushed_.ip6;
  return info;
}

}  // namespace culvert::openvpn
