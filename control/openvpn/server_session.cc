#include "control/openvpn/server_session.h"

#include <algorithm>

#include "control/openvpn/push.h"

namespace culvert::openvpn {

using namespace std::chrono_literals;

namespace {

/// Over TCP the client repeats nothing: time for our last packet to be on its way before the connection is closed.
constexpr auto kLingerOverTcp = 1s;
/// A client that asks again after so long has lost the answer (push.c, process_incoming_push_request).
constexpr auto kPushAgain = 30s;
/// Answers to challenges in one handshake: whoever judges them (a script, a management program that has other clients
/// as well) is not to be flooded.
constexpr unsigned kMostResponses = 32;

}  // namespace

ServerSession::ServerSession(Engine& engine, const ServerSettings& settings, abi::SessionRef ref, const Path& path,
                             const Ids& ids, Wrap wrap, const StaticKey* wrap_key, Now now)
    : Session(Side::kServer, engine, settings, ref, path, ids, std::move(wrap), wrap_key),
      handshake_deadline_(now.mono + settings.hand_window) {}

void ServerSession::start(bool resets_done, Now now) {
  start_first(resets_done, wire::Opcode::kHardResetServerV2, now);
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
      // In brackets an operator says himself what the client keeps and where it goes: [N], to its next remote (push.c,
      // server_pushed_signal).
      say(build_message(MessageKind::kRestart,
                        (text_for_peer.starts_with('[') ? "" : "[P]:") + std::string(text_for_peer)));
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
