#include "control/management/dialogue.h"

#include <algorithm>
#include <utility>

#include "control/config/statement.h"
#include "control/management/commands.h"
#include "control/management/env_filter.h"
#include "control/management/status_text.h"

namespace culvert::management {
namespace {

constexpr std::string_view kInterfaceVersion = "5";

/// Takes as long for a wrong text as for the right one, whatever they have in common.
bool same_secret(std::string_view given, std::string_view wanted) {
  unsigned different = given.size() == wanted.size() ? 0 : 1;
  for (size_t i = 0; i < given.size(); ++i)
    different |= static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(wanted[i % wanted.size()]);
  return different == 0;
}

}  // namespace

Dialogue::Dialogue(const Settings& settings, Board& board, Daemon& daemon)
    : settings_(settings), board_(board), daemon_(daemon), authorized_(settings.password.empty()) {
  if (authorized_)
    welcome();
  else
    output_ += "ENTER PASSWORD:";
}

void Dialogue::say(std::string_view line) {
  output_.append(line).append("\r\n");
}

void Dialogue::welcome() {
  say(">INFO:OpenVPN Management Interface Version " + std::string(kInterfaceVersion) + " -- type 'help' for more info");
  if (board_.waiting) say(kHoldNotice);
}

void Dialogue::feed(std::string_view bytes, Now now) {
  for (char c : bytes) {
    // The reference ends lines at either sign; a NUL would hide what follows it.
    bool end = c == '\n' || c == '\r' || c == '\0';
    if (skipping_) {
      skipping_ = !end;
      continue;
    }
    input_ += end ? '\n' : c;
    line_length_ = end ? 0 : line_length_ + 1;
    if (line_length_ <= kLongestLine) continue;
    input_.resize(input_.size() - line_length_);
    line_length_ = 0;
    skipping_ = true;
    take_lines(now);
    say("ERROR: line is longer than " + std::to_string(kLongestLine) + " bytes");
  }
  take_lines(now);
}

void Dialogue::take_lines(Now now) {
  size_t start = 0;
  int commands = 0;
  while (!finished_ && !paused_until_ && commands < kCommandsInATurn && output_.size() < kAnsweredInATurn) {
    size_t end = input_.find('\n', start);
    if (end == std::string::npos) break;
    std::string line = input_.substr(start, end - start);
    start = end + 1;
    if (!extra_) ++commands;
    obeying_ = true;
    obey(line, now);
    obeying_ = false;
    output_ += std::exchange(told_then_, {});
  }
  input_.erase(0, start);
}

void Dialogue::obey(std::string_view line, Now now) {
  if (!authorized_) return check_password(line, now);
  if (extra_) return take_extra(line);
  Result<Words> words = config::split_line(line);
  log_command(line, words);
  if (!words) return say("ERROR: " + words.error());
  if (words->empty()) return;
  const std::string& name = words->front();
  const CommandInfo* command = find_command(name);
  if (command == nullptr) return say("ERROR: unknown command, enter 'help' for more options");
  size_t given = words->size() - 1;
  if (given < command->parameters) {
    std::string count = std::to_string(command->parameters);
    return say("ERROR: the '" + name + "' command requires " + (command->or_more ? "at least " : "") + count +
               " parameter" + (command->parameters > 1 ? "s" : ""));
  }
  run(command->id, *words, now);
}

/// As the reference does: every command but one that programs ask all the time, and no password.
void Dialogue::log_command(std::string_view line, const Result<Words>& words) {
  if (line == "load-stats") return;
  bool secret = words && !words->empty() && words->front() == "password";
  obeying_ = false;  // told before the answer, not behind it
  daemon_.log_command(secret ? "password [...]" : one_field(line));
  obeying_ = true;
}

void Dialogue::check_password(std::string_view line, Now now) {
  if (line.empty()) return;  // the second half of CR LF
  if (same_secret(line, settings_.password)) {
    authorized_ = true;
    say("SUCCESS: password is correct");
    return welcome();
  }
  // 2.6 writes "ERROR: bad password" to nobody: it holds back all text until the password was right. Asking again says
  // it.
  if (++wrong_passwords_ >= kPasswordTries) {
    finished_ = true;
    return;
  }
  paused_until_ = now.mono + kPasswordPause;
}

void Dialogue::tick(Now now) {
  if (paused_until_ && *paused_until_ <= now.mono) {
    paused_until_.reset();
    output_ += "ENTER PASSWORD:";
    take_lines(now);
  }
  if (bytecount_at_ && *bytecount_at_ <= now.mono) {
    bytecount_at_ = now.mono + bytecount_every_;
    show_bytecounts();
  }
}

std::optional<MonoTime> Dialogue::next_deadline() const {
  if (paused_until_ && bytecount_at_) return std::min(*paused_until_, *bytecount_at_);
  return paused_until_ ? paused_until_ : bytecount_at_;
}

void Dialogue::tell(std::string_view line) {
  (obeying_ ? told_then_ : output_).append(line).append("\r\n");
}

void Dialogue::on_log(std::string_view entry) {
  if (authorized_ && log_on_) tell(">LOG:" + std::string(entry));
}

void Dialogue::on_state(std::string_view entry) {
  if (authorized_ && state_on_) tell(">STATE:" + std::string(entry));
}

/// False: a variable that env-filter leaves out. What a client says of itself is never left out when it asks to come
/// in.
bool Dialogue::wanted(std::string_view line) {
  constexpr std::string_view kVariable = ">CLIENT:ENV,";
  if (!line.starts_with(kVariable)) {
    asks_ = line.starts_with(">CLIENT:CONNECT,") || line.starts_with(">CLIENT:REAUTH,");
    return true;
  }
  std::string_view variable = line.substr(kVariable.size());
  bool of_itself = asks_ && (variable.starts_with("IV_") || variable.starts_with("UV_"));
  return variable == "END" || of_itself || env_shown(variable, env_filter_);
}

void Dialogue::notify(std::string_view line) {
  if (authorized_ && wanted(line)) tell(line);
}

void Dialogue::show_bytecounts() {
  std::map<uint64_t, uint64_t> shown;
  for (const Client& client : daemon_.clients()) {
    uint64_t bytes = client.bytes_in + client.bytes_out;
    shown[client.cid] = bytes;
    // Only those with traffic, as in the reference.
    auto before = bytes_shown_.find(client.cid);
    if (before != bytes_shown_.end() && before->second == bytes) continue;
    say(">BYTECOUNT_CLI:" + std::to_string(client.cid) + "," + std::to_string(client.bytes_in) + "," +
        std::to_string(client.bytes_out));
  }
  bytes_shown_ = std::move(shown);
}

}  // namespace culvert::management
