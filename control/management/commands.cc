// What each command does. The texts of answers are part of the protocol: programs compare them.
#include "control/management/commands.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "control/management/dialogue.h"
#include "control/management/status_text.h"

namespace culvert::management {
namespace {

using enum CommandId;

constexpr auto kCommands = std::to_array<CommandInfo>({
    {"auth-retry", kAuthRetry, 0, true, "auth-retry [none|interact|nointeract]: kept for clients' sake"},
    {"bytecount", kByteCount, 1, false, "bytecount N: every N seconds, bytes of clients that had traffic; 0: stop"},
    {"certificate", kNotAvailable, 0, true, ""},
    {"client-auth", kClientAuth, 2, false,
     "client-auth CID KID: let a client in, with the lines that follow up to END"},
    {"client-auth-nt", kClientAuthNt, 2, false, "client-auth-nt CID KID: let a client in"},
    {"client-deny", kClientDeny, 3, true, "client-deny CID KID REASON [CLIENT-REASON]: refuse a client"},
    {"client-pending-auth", kClientPendingAuth, 4, false,
     "client-pending-auth CID KID EXTRA TIMEOUT: tell a client to wait, and what to do"},
    {"client-kill", kClientKill, 1, true,
     "client-kill CID [RESTART|HALT[,TEXT]]: end a client's session; RESTART,[N]: it goes to its next remote"},
    {"cr-response", kUnsupported, 1, false, ""},
    {"echo", kEcho, 1, true, "echo on|off|N|all: as log, for the echo buffer"},
    {"env-filter", kEnvFilter, 0, true, "env-filter [0|1|2]: all variables of clients, or fewer, or the common ones"},
    {"exit", kExit, 0, true, "exit, quit: end this conversation"},
    {"forget-passwords", kForgetPasswords, 0, true, ""},
    {"help", kHelp, 0, true, "help: this list"},
    {"hold", kHold, 0, true, "hold [on|off|release]: show or set the flag, or start a held gateway"},
    {"kill", kKill, 1, false, "kill CN | kill IP:PORT: end the sessions of a name, or from an address"},
    {"load-stats", kLoadStats, 0, true, "load-stats: number of clients, bytes in and out"},
    {"log", kLog, 1, true, "log on|off|N|all: real-time log, the last N lines, or all that are kept"},
    {"mute", kMute, 0, true, ""},
    {"nclients", kClientCount, 0, true, "nclients: number of clients"},
    {"needok", kNotNeeded, 2, false, ""},
    {"needstr", kNotNeeded, 2, false, ""},
    {"net", kNet, 0, true, ""},
    {"password", kNotNeeded, 2, false, ""},
    {"pid", kPid, 0, true, "pid: process ID of the control process"},
    {"pk-sig", kNotAvailable, 0, true, ""},
    {"pkcs11-id-count", kKeyCount, 0, true, ""},
    {"pkcs11-id-get", kKeyGet, 1, false, ""},
    {"proxy", kUnsupported, 1, true, ""},
    {"push-update-broad", kPushUpdateBroad, 1, false,
     "push-update-broad \"OPTIONS\": change what all clients were pushed, as in \"route 10.1.0.0 255.255.0.0, -dns\""},
    {"push-update-cid", kPushUpdateCid, 2, false, "push-update-cid CID \"OPTIONS\": likewise, of one client"},
    {"quit", kExit, 0, true, ""},
    {"remote", kUnsupported, 1, true, ""},
    {"remote-entry-count", kUnsupported, 0, true, ""},
    {"remote-entry-get", kUnsupported, 1, true, ""},
    {"rsa-sig", kNotAvailable, 0, true, ""},
    {"signal", kSignal, 1, false,
     "signal SIGHUP|SIGTERM|SIGUSR1|SIGUSR2: reload, end, restart clients, log the status"},
    {"state", kState, 0, true, "state [on|off|N|all]: as log, for the gateway's states"},
    {"status", kStatus, 0, true, "status [1|2|3]: clients and routes"},
    {"test", kTest, 1, false, "test N: N lines of text"},
    {"username", kNotNeeded, 2, false, ""},
    {"verb", kVerb, 0, true, "verb [N]: show or set how much is logged"},
    {"version", kVersion, 0, true, "version: of the gateway and of this interface"},
});

/// As the reference's atoi(): what is no number is 0.
int number_of(std::string_view text) {
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string count_text(uint64_t n) {
  return std::to_string(n);
}

}  // namespace

const CommandInfo* find_command(std::string_view name) {
  auto found = std::ranges::find(kCommands, name, &CommandInfo::name);
  return found == kCommands.end() ? nullptr : &*found;
}

void Dialogue::run(CommandId command, const Words& words, Now now) {
  const std::string first = words.size() > 1 ? words[1] : "";
  switch (command) {
    case kExit:
      finished_ = true;
      return;
    case kHelp:
      return help();
    case kVersion:
      return version(words);
    case kPid:
      return say("SUCCESS: pid=" + std::to_string(getpid()));
    case kClientCount:
      return say("SUCCESS: nclients=" + count_text(daemon_.clients().size()));
    case kEnvFilter:
      env_filter_ = number_of(first);
      return say("SUCCESS: env_filter_level=" + std::to_string(env_filter_));
    case kSignal:
      return send_signal(first);
    case kLoadStats:
      return load_stats();
    case kStatus:
      return say_status(words, now);
    case kKill:
      return kill(first);
    case kVerb:
      return verb(words);
    case kMute:
      return mute(words);
    case kAuthRetry:
      return auth_retry(words);
    case kState:
      return history(words, "state", board_.state, state_on_);
    case kLog:
      return history(words, "log", board_.log, log_on_);
    case kEcho:
      return history(words, "echo", board_.echo, echo_on_);
    case kHold:
      return hold(words);
    case kByteCount:
      return bytecount(first, now);
    case kClientKill:
      return client_kill(words);
    case kClientAuth:
      return client_auth(words, true);
    case kClientAuthNt:
      return client_auth(words, false);
    case kClientDeny:
      return client_deny(words);
    case kClientPendingAuth:
      return client_pending_auth(words);
    case kPushUpdateBroad:
      return push_update(std::nullopt, words[1]);
    case kPushUpdateCid:
      return push_update_cid(words);
    case kTest:
      return test(first);
    case kForgetPasswords:
      return say("SUCCESS: Passwords were forgotten");
    case kNotNeeded:
      return say_not_needed(words[0]);
    case kUnsupported:
      // The reference misspells it, and programs compare.
      return say("ERROR: The '" + (words[0] == "cr-response" ? "cr-repsonse" : words[0]) +
                 "' command is not supported by the current daemon mode");
    case kNotAvailable:
      return say("ERROR: The " + words[0] + " command is not currently available");
    case kNet:
      return say("ERROR: Sorry, this command is currently only implemented on Windows");
    case kKeyCount:
      return say(">PKCS11ID-COUNT:0");
    case kKeyGet:
      return say(">PKCS11ID-ENTRY:'" + std::to_string(number_of(first)) + "'");
  }
}

void Dialogue::help() {
  say("Management Interface for " + daemon_.title());
  say("Commands:");
  for (const CommandInfo& command : kCommands)
    if (!command.help.empty()) say(command.help);
  say("END");
}

void Dialogue::version(const Words& words) {
  if (words.size() > 1) return;  // the program's own version, taken without an answer
  say("OpenVPN Version: " + daemon_.title());
  say("Management Version: 5");
  say("END");
}

void Dialogue::say_status(const Words& words, Now now) {
  int version = words.size() > 1 ? number_of(words[1]) : 0;
  if (version == 0) version = settings_.status_version;
  for (const std::string& line : status_lines(daemon_.title(), daemon_.clients(), version, now.wall)) say(line);
}

void Dialogue::history(const Words& words, const char* type, const History& history, bool& real_time) {
  if (words.size() == 1) return one_history("1", type, history, real_time);
  for (size_t i = 1; i < std::min<size_t>(words.size(), 3); ++i) one_history(words[i], type, history, real_time);
}

void Dialogue::one_history(const std::string& word, const char* type, const History& history, bool& real_time) {
  if (word == "on" || word == "off") {
    real_time = word == "on";
    return say("SUCCESS: real-time " + std::string(type) + " notification set to " + (real_time ? "ON" : "OFF"));
  }
  int wanted = number_of(word);
  if (word != "all" && wanted <= 0)
    return say("ERROR: " + std::string(type) + " parameter must be 'on' or 'off' or some number n or 'all'");
  size_t count = history.lines().size();
  if (word != "all") count = std::min(count, static_cast<size_t>(wanted));
  for (size_t i = history.lines().size() - count; i < history.lines().size(); ++i) say(history.lines()[i]);
  say("END");
}

void Dialogue::hold(const Words& words) {
  if (words.size() == 1) return say(std::string("SUCCESS: hold=") + (board_.hold ? "1" : "0"));
  if (words[1] == "on" || words[1] == "off") {
    board_.hold = words[1] == "on";
    return say(std::string("SUCCESS: hold flag set to ") + (board_.hold ? "ON" : "OFF"));
  }
  if (words[1] != "release") return say("ERROR: bad hold command parameter");
  say("SUCCESS: hold release succeeded");
  board_.waiting = false;
  daemon_.release_hold();
}

void Dialogue::send_signal(const std::string& name) {
  struct Known {
    std::string_view name;
    Signal signal;
  };
  constexpr Known kKnown[] = {{"SIGHUP", Signal::kHangup},
                              {"SIGTERM", Signal::kTerminate},
                              {"SIGINT", Signal::kTerminate},
                              {"SIGUSR1", Signal::kRestart},
                              {"SIGUSR2", Signal::kReport}};
  for (const Known& known : kKnown) {
    if (known.name != name) continue;
    say("SUCCESS: signal " + name + " thrown");
    return daemon_.signal(known.signal);
  }
  say("ERROR: signal '" + name + "' is not a known signal type");
}

void Dialogue::load_stats() {
  uint64_t in = 0;
  uint64_t out = 0;
  std::vector<Client> clients = daemon_.clients();
  for (const Client& client : clients) {
    in += client.bytes_in;
    out += client.bytes_out;
  }
  say("SUCCESS: nclients=" + count_text(clients.size()) + ",bytesin=" + count_text(in) +
      ",bytesout=" + count_text(out));
}

void Dialogue::verb(const Words& words) {
  if (words.size() == 1) return say("SUCCESS: verb=" + std::to_string(daemon_.verbosity()));
  int level = number_of(words[1]);
  if (level < 0 || level > 11) return say("ERROR: verb level is out of range");
  daemon_.set_verbosity(level);
  say("SUCCESS: verb level changed");
}

/// Only "do not mute" can be had: lines about peers are bounded in number instead.
void Dialogue::mute(const Words& words) {
  if (words.size() == 1) return say("SUCCESS: mute=0");
  if (words[1] == "0") return say("SUCCESS: mute level changed");
  say("ERROR: mute level is out of range");
}

void Dialogue::auth_retry(const Words& words) {
  if (words.size() == 1) return say("SUCCESS: auth-retry=" + board_.auth_retry);
  if (words[1] != "none" && words[1] != "interact" && words[1] != "nointeract") {
    say("--auth-retry method must be 'interact', 'nointeract', or 'none'");
    return say("ERROR: bad auth-retry parameter");
  }
  board_.auth_retry = words[1];
  say("SUCCESS: auth-retry parameter changed");
}

void Dialogue::bytecount(const std::string& seconds, Now now) {
  int every = std::min(number_of(seconds), 86400);
  bytecount_at_.reset();
  bytes_shown_.clear();
  if (every > 0) {
    bytecount_every_ = std::chrono::seconds(every);
    bytecount_at_ = now.mono + bytecount_every_;
  }
  say("SUCCESS: bytecount interval changed");
}

void Dialogue::say_not_needed(const std::string& command) {
  std::string what = command;
  if (command == "needok") what = "needok-confirmation";
  if (command == "needstr") what = "needstr-string";
  say("ERROR: no " + what + " is currently needed at this time");
}

void Dialogue::test(const std::string& count) {
  constexpr int kMost = 1000;
  int lines = std::min(number_of(count), kMost);
  for (int i = 0; i < lines; ++i) say("[" + std::to_string(i) + "] culvert fills a line for a test of its reader.");
}

}  // namespace culvert::management
