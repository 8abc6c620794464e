#include "control/auth/password_script.h"

#include <algorithm>
#include <charconv>

#include "control/hooks/client_environment.h"
#include "control/io/clock.h"
#include "control/io/secrets.h"
#include "control/openvpn/key_method2.h"

namespace culvert::auth {
namespace {

constexpr auto kLookEvery = std::chrono::milliseconds(200);
constexpr size_t kMaxAnswer = 4096;
constexpr int kDeferred = 2;  // exit status (script-options.rst, auth-user-pass-verify)

/// The password as scripts get it: printable, no line break.
std::string tame_password(std::string password) {
  std::ranges::replace_if(
      password, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, '_');
  return password;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

/// `list` is "openurl,webauth,crtext".
bool names(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    size_t end = std::min(list.find(','), list.size());
    if (list.substr(0, end) == word) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

}  // namespace

PasswordScript::~PasswordScript() {
  while (!asked_.empty()) cancel(asked_.begin()->first);
}

Status PasswordScript::make_files(const AuthRequest& request, Asked& asked) const {
  auto make = [&](std::optional<hooks::TempFile>& file, const char* kind, std::string_view content) -> Status {
    auto made = hooks::TempFile::make(settings_.tmp_dir, kind, content);
    if (!made) return Error{made.error()};
    file = std::move(*made);
    return {};
  };
  if (!settings_.via_environment) {
    std::string content = hooks::tame_name(request.identity.username) + "\n";
    content += tame_password(request.identity.password) + "\n";
    Status status = make(asked.credentials, "up", content);
    io::wipe(content.data(), content.size());
    if (!status) return status;
  }
  if (Status status = make(asked.control, "acf", ""); !status) return status;
  if (Status status = make(asked.pending, "apf", ""); !status) return status;
  return make(asked.reason, "afr", "");
}

void PasswordScript::begin(const AuthRequest& request, Done done) {
  cancel(request.session);
  Asked& asked = asked_[request.session];
  asked.done = std::move(done);
  asked.who = request.identity.username;
  asked.methods = openvpn::peer_info_value(request.identity.peer_info, "IV_SSO");
  if (Status status = make_files(request, asked); !status)
    return refuse(request.session, status.error(), hooks::Outcome::kNoVerdict);

  hooks::Environment environment = settings_.environment;
  hooks::add_identity(environment, request.identity);
  hooks::add_remote(environment, request.remote, false);
  hooks::add_token(environment, request.token_session, request.token_state);
  environment.set("script_type", "user-pass-verify");
  environment.set("auth_control_file", asked.control->path());
  environment.set("auth_pending_file", asked.pending->path());
  environment.set("auth_failed_reason_file", asked.reason->path());
  asked.environment = environment;
  hooks::Command command = hooks::command_of(settings_.program, environment, "auth-user-pass-verify of " + asked.who,
                                             hooks::client_key(request.session));
  if (settings_.via_environment) {
    // Any byte but a NUL, and never through a copy that is not wiped.
    command.environment.push_back("password=" + tame_password(request.identity.password));
  } else {
    command.argv.push_back(asked.credentials->path());
  }
  abi::SessionRef session = request.session;
  asked.job =
      runner_.run(std::move(command), [this, session](const hooks::Outcome& outcome) { on_exit(session, outcome); });
  if (asked.job == 0)
    finish(session, Deny{"TEMP:server is busy", "too many scripts wait already: raise [control] hook_processes"});
}

void PasswordScript::on_exit(abi::SessionRef session, const hooks::Outcome& outcome) {
  auto found = asked_.find(session);
  if (found == asked_.end()) return;
  Asked& asked = found->second;
  asked.job = 0;
  asked.credentials.reset();
  if (outcome.ok()) return finish(session, Allow{});
  if (outcome.ending == hooks::Ending::kExited && outcome.status == kDeferred) return look(session);
  refuse(session, outcome.text, outcome.for_client());
}

void PasswordScript::challenge_response(abi::SessionRef session, std::string_view response) {
  auto found = asked_.find(session);
  // One answer at a time: a client that sends more before the first is judged has nothing to gain by it.
  if (found == asked_.end() || settings_.challenge_program.empty() || found->second.answer) return;
  Asked& asked = found->second;
  auto file = hooks::TempFile::make(settings_.tmp_dir, "cr", std::string(response) + "\n");
  if (!file) return refuse(session, file.error(), hooks::Outcome::kNoVerdict, "client-crresponse");
  asked.environment.set("script_type", "client-crresponse");
  hooks::Command command = hooks::command_of(settings_.challenge_program, asked.environment,
                                             "client-crresponse of " + asked.who, hooks::client_key(session));
  command.argv.push_back(file->path());
  auto job = runner_.run(std::move(command),
                         [this, session](const hooks::Outcome& outcome) { on_answer_judged(session, outcome); });
  if (job == 0)
    return finish(session,
                  Deny{"TEMP:server is busy", "too many scripts wait already: raise [control] hook_processes"});
  asked.answer.emplace(Answer{job, std::move(*file)});
}

void PasswordScript::on_answer_judged(abi::SessionRef session, const hooks::Outcome& outcome) {
  auto found = asked_.find(session);
  if (found == asked_.end()) return;
  found->second.answer.reset();
  if (!outcome.ok()) return refuse(session, outcome.text, outcome.for_client(), "client-crresponse");
  // What it thinks of the answer stands in auth_control_file, or will.
  if (found->second.job != 0) return;
  loop_.cancel(found->second.timer);
  look(session);
}

void PasswordScript::look(abi::SessionRef session) {
  Asked& asked = asked_.at(session);
  asked.timer = 0;
  std::string answer = asked.control->read(kMaxAnswer).value_or("");
  if (answer.starts_with('1')) return finish(session, Allow{});
  if (answer.starts_with('0')) return refuse(session, "the script wrote 0 to auth_control_file", "");
  if (!asked.told_pending && !look_at_pending(session)) return;
  // The time limit is the handshake's: the session ends, and this is cancelled.
  auto again = asked_.find(session);
  if (again != asked_.end())
    again->second.timer = loop_.at(io::mono_now() + kLookEvery, [this, session] { look(session); });
}

/// False when that refused the client.
bool PasswordScript::look_at_pending(abi::SessionRef session) {
  Asked& asked = asked_.at(session);
  std::string text = asked.pending->read(kMaxAnswer).value_or("");
  std::vector<std::string> lines = lines_of(text);
  if (lines.size() < 3) return true;  // not written, or not all of it yet
  asked.told_pending = true;
  uint32_t seconds = 0;
  const std::string& number = lines[0];
  auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), seconds);
  if (error != std::errc() || end != number.data() + number.size() || seconds == 0) {
    refuse(session, "the first line of auth_pending_file must be a number of seconds, not \"" + number + "\"", "");
    return false;
  }
  if (!names(asked.methods, lines[1])) {
    finish(session, Deny{"client does not support the method " + lines[1],
                         "the client can't do \"" + lines[1] + "\" (its IV_SSO is \"" + asked.methods + "\")"});
    return false;
  }
  Done done = asked.done;
  done(Pending{std::chrono::seconds(seconds), lines[2]});
  return asked_.contains(session);
}

void PasswordScript::refuse(abi::SessionRef session, const std::string& why, const char* for_client, const char* who) {
  Asked& asked = asked_.at(session);
  std::string reason = asked.reason ? asked.reason->read(kMaxAnswer).value_or("") : "";
  reason = reason.substr(0, reason.find('\n'));
  if (reason.empty()) reason = for_client;
  std::string text = std::string(who) + " refused \"" + asked.who + "\": " + why;
  finish(session, Deny{reason, text});
}

void PasswordScript::finish(abi::SessionRef session, Verdict verdict) {
  auto found = asked_.find(session);
  if (found == asked_.end()) return;
  Done done = std::move(found->second.done);
  cancel(session);
  done(std::move(verdict));
}

void PasswordScript::cancel(abi::SessionRef session) {
  auto found = asked_.find(session);
  if (found == asked_.end()) return;
  loop_.cancel(found->second.timer);
  if (found->second.job != 0) runner_.cancel(found->second.job);
  if (found->second.answer) runner_.cancel(found->second.answer->job);
  asked_.erase(found);
}

}  // namespace culvert::auth
