#include "control/auth/token_gate.h"

#include <utility>

#include "control/hooks/environment.h"
#include "control/io/secrets.h"

namespace culvert::auth {
namespace {

constexpr const char* kAskAgain = "SESSION: token expired";  // the client forgets its token and asks its user

}  // namespace

TokenGate::Known TokenGate::make_known() {
  Known known;
  random_.fill(known.id);
  known.first = wall_();
  return known;
}

bool TokenGate::too_old(const Token& token) const {
  std::chrono::sys_seconds now = wall_();
  if (now < token.made || now >= token.made + 2 * settings_->renewal) return true;
  if (token.made < token.first) return true;
  return settings_->lifetime.count() != 0 && now > token.first + settings_->lifetime;
}

TokenGate::Judged TokenGate::judge(const AuthRequest& request) {
  const openvpn::ClientIdentity& identity = request.identity;
  if (!looks_like_token(identity.password)) {
    known_.try_emplace(request.session, make_known());
    return {.state = "Initial"};
  }
  Judged judged{.state = "Invalid"};
  auto read = read_token(settings_->key, hooks::tame_name(identity.username), identity.password);
  auto found = known_.find(request.session);
  // One session can't go on under the token of another.
  if (read && found != known_.end() && found->second.id != read->token.session_id) read.reset();
  if (!read) {
    if (found == known_.end()) known_.emplace(request.session, make_known());
    return judged;
  }
  if (found == known_.end())
    known_[request.session] = Known{.id = read->token.session_id, .first = read->token.first, .username = {}};
  judged.for_empty_username = read->for_empty_username;
  judged.old = too_old(read->token);
  judged.good = !judged.old && !judged.for_empty_username;
  judged.state = judged.old ? "Expired" : "Authenticated";
  if (judged.for_empty_username) judged.state += "EmptyUser";
  return judged;
}

void TokenGate::begin(const AuthRequest& request, Done done) {
  if (!settings_) return behind_.begin(request, std::move(done));
  const Judged judged = judge(request);
  bool token = judged.state != "Initial";
  if (!token || settings_->external_auth) return ask(request, judged, std::move(done));
  if (judged.good) {
    Known& known = known_.at(request.session);
    known.username = hooks::tame_name(request.identity.username);
    Allow allow;
    let_in(request.session, judged, allow);
    return done(std::move(allow));
  }
  known_.erase(request.session);
  const std::string who = "the token of \"" + request.identity.username + "\" ";
  if (judged.old) return done(Deny{kAskAgain, who + "is too old: its user is asked for the password again"});
  done(Deny{"", who + "was not made with this secret for this name: a client that comes from another server, or from "
                      "before a restart, needs auth-gen-token-secret"});
}

void TokenGate::ask(AuthRequest request, const Judged& judged, Done done) {
  abi::SessionRef session = request.session;
  Known& known = known_.at(session);
  if (judged.for_empty_username) {
    // The name that it sends has never been proved.
    request.identity.username.clear();
    if (!settings_->blank_username_allowed) {
      io::wipe(request.identity.password.data(), request.identity.password.size());
      known_.erase(session);
      return done(Deny{"", "its token is for a client without a username, which needs auth-user-pass-optional"});
    }
  }
  known.username = hooks::tame_name(request.identity.username);
  request.token_session = session_id_text(known.id);
  request.token_state = judged.state;
  behind_.begin(request, [this, session, judged, done = std::move(done)](Verdict verdict) {
    answer(session, judged, done, std::move(verdict));
  });
  io::wipe(request.identity.password.data(), request.identity.password.size());
}

void TokenGate::answer(abi::SessionRef session, const Judged& judged, const Done& done, Verdict verdict) {
  if (auto* allow = std::get_if<Allow>(&verdict)) {
    if (settings_) let_in(session, judged, *allow);
    if (judged.for_empty_username) allow->username = "";
  } else if (auto* deny = std::get_if<Deny>(&verdict)) {
    known_.erase(session);
    if (deny->for_client.empty() && judged.old) deny->for_client = kAskAgain;
  }
  done(std::move(verdict));
}

void TokenGate::let_in(abi::SessionRef session, const Judged& judged, Allow& allow) {
  auto found = known_.find(session);
  if (found == known_.end()) return;
  found->second.let_in = true;
  allow.token = make(found->second).value_or("");
  allow.token_session = session_id_text(found->second.id);
  allow.token_state = judged.state;
}

std::optional<std::string> TokenGate::make(const Known& known) const {
  return write_token(settings_->key, known.username, {known.id, known.first, wall_()});
}

std::optional<std::string> TokenGate::renew(abi::SessionRef session) {
  auto found = known_.find(session);
  if (!settings_ || found == known_.end() || !found->second.let_in) return std::nullopt;
  return make(found->second);
}

void TokenGate::renumber(abi::SessionRef from, abi::SessionRef to) {
  auto known = known_.extract(from);
  if (!known) return;
  known.key() = to;
  known_.insert(std::move(known));
}

void TokenGate::challenge_response(abi::SessionRef session, std::string_view response) {
  behind_.challenge_response(session, response);
}

void TokenGate::cancel(abi::SessionRef session) {
  behind_.cancel(session);
}

}  // namespace culvert::auth
