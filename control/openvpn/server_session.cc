#include "control/openvpn/server_session.h"

#include <algorithm>

#include "control/openvpn/push.h"

namespace culvert::openvpn {

using namespace std::chrono_literals;

namespace {

/// How long a closed session still acknowledges what its client repeats (push.c, receive_exit_message).
constexpr auto kLinger = 5s;
/// Over TCP the client repeats nothing: time for our last packet to be on its way before the connection is closed.
constexpr auto kLingerOverTcp = 1s;
/// A client that asks again after so long has lost the answer (push.c, process_incoming_push_request).
constexpr auto kPushAgain = 30s;
/// Answers to challenges in one handshake: whoever judges them (a script, a management program that has other clients
/// as well) is not to be flooded.
constexpr unsigned kMostResponses = 32;

/// Names are compared as far as a record keeps them, so that a session which was adopted from one goes on.
bool same_name(std::string_view a, std::string_view b) {
  constexpr size_t kKept = sizeof(abi::ControlRecord::common_name) - 1;
  return a.substr(0, kKept) == b.substr(0, kKept);
}

}  // namespace

ServerSession::ServerSession(Engine& engine, const ServerSettings& settings, abi::SessionRef ref, const Path& path,
                             const Ids& ids, Wrap wrap, const StaticKey* wrap_key, Now now)
    : Session(Side::kServer, engine, settings, ref, path, ids, std::move(wrap), wrap_key),
      handshake_deadline_(now.mono + settings.hand_window) {}

void ServerSession::start(bool resets_done, Now now) {
  start_first(resets_done, wire::Opcode::kHardResetServerV2, now);
}

void ServerSession::on_key_method2(Negotiation& negotiation, KeyMethod2 message, Now now) {
  if (auto id = announced_peer_id(message.peer_info)) capabilities_.peer_id = id;  // also after a restart of control
  if (phase_ == Phase::kHandshake)
    first_keys(negotiation, message, now);
  else
    renewed_keys(negotiation, message, now);
}

void ServerSession::read_identity(const Negotiation& negotiation, const KeyMethod2& message,
                                  ClientIdentity& identity) const {
  const crypto::TlsStream& tls = negotiation.channel.tls();
  if (const crypto::PeerCertificate* peer = tls.peer()) {
    identity.common_name = peer->common_name;
    identity.subject = peer->subject;
    identity.serial = peer->serial;
    identity.certificate_hash = peer->sha256;
    identity.certificate_sha1 = peer->sha1;
    identity.issuers.clear();
    for (const crypto::PeerCertificate& issuer : peer->issuers)
      identity.issuers.push_back({issuer.subject, issuer.serial, issuer.sha256, issuer.sha1, issuer.pem});
    identity.certificate_pem = peer->pem;
  }
  identity.username = message.username;
  identity.has_credentials = message.has_credentials;
  identity.peer_info = message.peer_info;
  identity.tls_version = tls.version();
  identity.tls_cipher = tls.cipher();
}

void ServerSession::first_keys(const Negotiation& negotiation, KeyMethod2& message, Now now) {
  read_identity(negotiation, message, identity_);
  certificate_name_ = identity_.common_name;
  capabilities_ = parse_capabilities(message.peer_info);
  phase_ = Phase::kDeciding;
  answer_keys(*first_negotiation(), message.options, now);
  if (phase_ != Phase::kDeciding) return;
  if (message.credentials_too_long) {
    refuse("Username or password is too long.", "username or password longer than the protocol allows", now);
    return;
  }
  auto agreement = agree(server_settings(), capabilities_, message.options);
  if (!agreement) {
    bool no_export = server_settings().require_key_export && !capabilities_.can(iv_proto::kTlsKeyExport);
    refuse(no_export ? "Client does not support TLS keying material exporters"
                     : "Data channel cipher negotiation failed (no shared cipher)",
           agreement.error(), now);
    return;
  }
  agreement_ = *agreement;
  if (disagrees_about_digest(agreement_, message.options))
    engine_.outputs.push_back(LogLine{LogLevel::kWarning, path_.remote,
                                      "client has auth " + printable(occ_option(message.options, "auth"), 32) +
                                          ", this server auth " + std::string(crypto::digest_name(agreement_.digest)) +
                                          ": with " + std::string(cipher_name(agreement_.cipher)) +
                                          " no packet will pass; make them equal, or allow an AEAD cipher"});
  push_asked_ = agreement_.push_at_once;
  ConnectRequest request{ref_, path_.remote, identity_, false};
  request.identity.password = std::move(message.password);
  engine_.outputs.push_back(std::move(request));
  identity_.certificate_pem.clear();
  for (ClientIssuer& issuer : identity_.issuers) issuer.pem.clear();
}

void ServerSession::renewed_keys(Negotiation& negotiation, KeyMethod2& message, Now now) {
  if (phase_ == Phase::kConnected) {
    if (!same_client(negotiation, message)) {
      const crypto::PeerCertificate* peer = negotiation.channel.tls().peer();
      std::string name = peer ? peer->common_name : std::string();
      answer_keys(negotiation, message.options, now);
      std::string text =
          "renegotiation as \"" + printable(name, 64) + "\" in a session of \"" + identity_.common_name + "\"";
      if (certificate_name_.empty() || same_name(name, certificate_name_)) text += ": other certificate or username";
      end(Goodbye::kAuthFailed, EndReason::kIdentityChanged, text, "", now);
      return;
    }
    if (server_settings().verify_renewals) {
      // Key and answer wait for the verdict: until then the client goes on with the key it has.
      renewal_ = Renewal{negotiation.channel.key_id(), message.options};
      ConnectRequest request{ref_, path_.remote, identity_, true};
      read_identity(negotiation, message, request.identity);
      request.identity.common_name = identity_.common_name;
      request.identity.password = std::move(message.password);
      engine_.outputs.push_back(std::move(request));
      return;
    }
    if (!install_keys(negotiation)) {
      end(Goodbye::kRestart, EndReason::kProtocolError, "data keys could not be derived", "", now);
      return;
    }
  }
  // A session that is ending goes through this as well: only the new channel takes our goodbye to the client.
  answer_keys(negotiation, message.options, now);
}

bool ServerSession::same_client(const Negotiation& negotiation, const KeyMethod2& message) const {
  const crypto::PeerCertificate* peer = negotiation.channel.tls().peer();
  std::vector<uint8_t> hash = peer ? peer->sha256 : std::vector<uint8_t>();
  // The certificate says the name; a record keeps only the session's, which may be the username.
  return hash == identity_.certificate_hash && same_name(message.username, identity_.username);
}

void ServerSession::accept_renewal(const std::vector<std::string>& options, Now now) {
  if (!renewal_ || phase_ != Phase::kConnected) return;
  Renewal renewal = std::move(*renewal_);
  renewal_.reset();
  Negotiation* negotiation = find(renewal.key_id);
  if (!negotiation || negotiation->sent_keys) return;  // given up meanwhile; it will be tried again
  if (!install_keys(*negotiation))
    return end(Goodbye::kRestart, EndReason::kProtocolError, "data keys could not be derived", "", now);
  answer_keys(*negotiation, renewal.options, now);
  push(options, now);
}

void ServerSession::push(const std::vector<std::string>& options, Now now) {
  if (phase_ != Phase::kConnected) return;
  if (!options.empty() && !congested())
    for (const std::string& message : split_push_reply(options, nullptr))
      say(build_message(MessageKind::kPushReply, message));
  pump(now);
}

void ServerSession::auth_pending(std::chrono::seconds timeout, std::string_view extra, Now now) {
  if (phase_ != Phase::kDeciding) return;
  std::chrono::seconds longest = std::max(settings_.reneg_sec / 2, settings_.hand_window);
  timeout = std::clamp(timeout, 1s, std::max(longest, 1s));
  handshake_deadline_ = std::max(handshake_deadline_, now.mono + timeout);
  bool takes_timeout = capabilities_.can(iv_proto::kAuthPendingKeywords);
  say(build_message(MessageKind::kAuthPending, takes_timeout ? "timeout " + std::to_string(timeout.count()) : ""));
  if (!extra.empty()) say(build_message(MessageKind::kInfoPre, extra));
  pump(now);
}

std::string ServerSession::own_peer_info() const {
  // A client that chose a peer-id for itself is told ours in the same way, each time, instead of by a push.
  return capabilities_.peer_id ? announce_peer_id(ref_.peer_id) : "";
}

void ServerSession::answer_keys(Negotiation& negotiation, std::string_view peer_options, Now now) {
  KeyMethod2 own;
  own.options = options_string(settings_, true, path_.remote, peer_options);
  own.peer_info = own_peer_info();
  send_key_method2(negotiation, std::move(own), now);
}

void ServerSession::accept(const ClientGrant& grant, Now now) {
  if (phase_ != Phase::kDeciding) return;
  grant_ = grant;
  Negotiation* first = first_negotiation();
  if (!first) return;
  if (!make_dynamic_wrap(*first)) {
    end(Goodbye::kAuthFailed, EndReason::kProtocolError, "key for dynamic tls-crypt could not be derived", "", now);
    return;
  }
  phase_ = Phase::kAccepted;
  installed_.limit = grant_.limit;
  install_session();
  install_routes();
  if (!install_keys(*first)) {
    end(Goodbye::kAuthFailed, EndReason::kProtocolError, "data keys could not be derived", "", now);
    return;
  }
  if (push_asked_) send_push_reply(now);
  pump(now);
}

void ServerSession::send_push_reply(Now now) {
  pushed_at_ = now.mono;
  std::vector<std::string> left_out;
  auto messages = split_push_reply(push_options(server_settings(), grant_, agreement_, ref_.peer_id), &left_out);
  for (const std::string& message : messages) say(build_message(MessageKind::kPushReply, message));
  for (const std::string& option : left_out)
    engine_.outputs.push_back(LogLine{LogLevel::kWarning, path_.remote,
                                      "option not pushed, it is longer than " + std::to_string(longest_push_option()) +
                                          " bytes or holds a comma or control byte: " + option});
  if (phase_ == Phase::kConnected) return;
  phase_ = Phase::kConnected;
  ever_connected_ = true;
  connected_since_ = now.wall;
  engine_.tally.add(abi::Counter::handshakes_finished);
  engine_.outputs.push_back(SessionConnected{ref_, agreement_.cipher});
  schedule_renegotiation(now);
  on_changed();
}

bool ServerSession::push_update(const std::vector<PushChange>& changes, Now now) {
  if (phase_ != Phase::kConnected || !agreement_.push_update || congested()) return false;
  std::vector<std::string> options;
  for (const PushChange& change : changes) options.push_back(to_text(change));
  for (const std::string& message : split_push_reply(options, nullptr, MessageKind::kPushUpdate))
    say(build_message(MessageKind::kPushUpdate, message));
  apply_push_update(grant_.push, changes);  // should it ask for its settings again
  pump(now);
  return true;
}

void ServerSession::refuse(std::string_view for_client, std::string_view for_operator, Now now) {
  if (phase_ == Phase::kConnected && renewal_) {
    // The client listens to its newest channel only, which takes messages when the keys have been exchanged.
    Negotiation* negotiation = find(renewal_->key_id);
    if (negotiation && !negotiation->sent_keys) answer_keys(*negotiation, renewal_->options, now);
  } else if (phase_ != Phase::kDeciding) {
    return;
  }
  end(Goodbye::kAuthFailed, EndReason::kAuthFailed, for_operator, for_client, now);
}

void ServerSession::end(Goodbye goodbye, EndReason reason, std::string_view text, std::string_view text_for_peer,
                        Now now) {
  if (!alive()) return;
  bool was_connected = phase_ == Phase::kConnected;
  if (phase_ == Phase::kAccepted || was_connected) {
    abi::Command command{};
    command.kind = abi::CommandKind::kRemoveSession;
    send_command(command);
  }
  if (!was_connected) engine_.tally.add(abi::Counter::handshakes_failed);
  phase_ = Phase::kClosing;
  renewal_.reset();
  stop_renegotiating();
  ring_ = {};
  if (was_connected) {
    CommitRecord gone{ref_.peer_id, {}};
    gone.record.generation = ref_.generation;
    engine_.outputs.push_back(gone);
  }
  engine_.outputs.push_back(
      SessionEnded{ref_, path_.remote, reason, was_connected, identity_.common_name, std::string(text)});
  switch (goodbye) {
    case Goodbye::kSilent:
      break;
    case Goodbye::kHalt:
      say(build_message(MessageKind::kHalt, text_for_peer));
      break;
    case Goodbye::kRestart:
      say(build_message(MessageKind::kRestart, "[P]:" + std::string(text_for_peer)));
      break;
    case Goodbye::kAuthFailed:
      say(build_message(MessageKind::kAuthFailed, text_for_peer));
      break;
  }
  auto linger = path_.remote.transport == abi::Transport::kTcp ? kLingerOverTcp : kLinger;
  linger_until_ = now.mono + linger;
  closing_deadline_ = now.mono + (goodbye == Goodbye::kSilent ? linger : settings_.hand_window);
  if (!has_channel()) phase_ = Phase::kGone;
  pump(now);
}

void ServerSession::lose_stream(std::string_view text, Now now) {
  stream_lost_ = true;
  end(Goodbye::kSilent, EndReason::kConnectionClosed, text, "", now);
  phase_ = Phase::kGone;
}

void ServerSession::on_message(const ControlMessage& message, Now now) {
  if (message.kind == MessageKind::kExit) {
    end(Goodbye::kSilent, EndReason::kClientExit, "client said goodbye", "", now);
  } else if (message.kind == MessageKind::kPushRequest) {
    if (phase_ == Phase::kDeciding) push_asked_ = true;
    // The answer before comes through by itself, unless it was acknowledged and lost behind that.
    bool again = phase_ == Phase::kConnected && pushed_at_ && now.mono >= *pushed_at_ + kPushAgain && all_said();
    if (phase_ == Phase::kAccepted || again) send_push_reply(now);
  } else if (message.kind == MessageKind::kCrResponse && phase_ == Phase::kDeciding && responses_ < kMostResponses) {
    ++responses_;
    engine_.outputs.push_back(ChallengeResponse{ref_, message.text});
  }
  // Others (INFO, …) ask for nothing that this server offers.
}

void ServerSession::on_failed(EndReason reason, std::string text, Now now) {
  if (phase_ == Phase::kClosing) {
    // Nothing can be said any more, except that an alert may be on its way.
    closing_deadline_ = std::min(closing_deadline_, linger_until_);
    return;
  }
  end(Goodbye::kSilent, reason, text, "", now);
}

void ServerSession::on_tick(Now now) {
  if (phase_ == Phase::kClosing) {
    bool quiet = all_said() && now.mono >= linger_until_;
    if (quiet || now.mono >= closing_deadline_) phase_ = Phase::kGone;
  } else if (phase_ != Phase::kConnected && phase_ != Phase::kGone && now.mono >= handshake_deadline_) {
    std::string text = "not connected within " + std::to_string(settings_.hand_window.count()) + " s: ";
    text += phase_ == Phase::kHandshake  ? "TLS handshake did not finish (packets lost, or a firewall in between)"
            : phase_ == Phase::kDeciding ? "no decision about the client yet"
                                         : "client did not ask for its settings";
    end(Goodbye::kSilent, EndReason::kHandshakeTimeout, text, "", now);
  }
}

std::optional<MonoTime> ServerSession::role_deadline() const {
  switch (phase_) {
    case Phase::kConnected:
    case Phase::kGone:
      return std::nullopt;
    case Phase::kClosing:
      return all_said() ? std::min(linger_until_, closing_deadline_) : closing_deadline_;
    default:
      return handshake_deadline_;
  }
}

void ServerSession::move_to(const Path& path, Now) {
  path_ = path;
  installed_.remote = path.remote;
  installed_.local = path.local;
  installed_.port = path.port;
  on_changed();
}

}  // namespace culvert::openvpn
