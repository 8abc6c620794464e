// The conversation with one management client: bytes in, text out, in OpenVPN 2.6's words (manage.c,
// management-notes.txt). No socket and no clock in it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/management/commands.h"
#include "control/management/daemon.h"
#include "control/management/history.h"
#include "control/now.h"
#include "dataplane/abi/result.h"

namespace culvert::management {

struct Settings {
  std::string password;    ///< empty: none is asked for
  int status_version = 1;  ///< of a `status` without a number
};

class Dialogue {
 public:
  /// All three outlive the dialogue.
  Dialogue(const Settings& settings, Board& board, Daemon& daemon);

  /// What the client sent. Complete lines are obeyed at once, except while a wrong password is being waited out, and as
  /// many as one turn takes.
  void feed(std::string_view bytes, Now now);
  /// There are lines for another turn. Feed no more before that.
  bool has_more() const { return !finished_ && !paused_until_ && input_.find('\n') != std::string::npos; }
  /// That turn; the output before should have been taken.
  void go_on(Now now) { take_lines(now); }
  /// Runs what is due: bytecount, the pause after a wrong password.
  void tick(Now now);
  std::optional<MonoTime> next_deadline() const;

  // What the client is told without asking, if it may be and wants to.
  void on_log(std::string_view entry);
  void on_state(std::string_view entry);
  /// A whole line such as ">CLIENT:ESTABLISHED,0".
  void notify(std::string_view line);

  /// Text for the client, to be taken out by the caller.
  std::string& output() { return output_; }
  /// The client asked to end, or has to go.
  bool finished() const { return finished_; }
  bool authorized() const { return authorized_; }
  /// After a wrong password: nothing is obeyed until tick(). Feed no more meanwhile.
  bool paused() const { return paused_until_.has_value(); }

  static constexpr size_t kLongestLine = 4096;
  /// A turn ends with the command behind which it has answered so much, or this many: each may list all clients.
  static constexpr size_t kAnsweredInATurn = 64 << 10;
  static constexpr int kCommandsInATurn = 32;
  /// Bytes of one client-auth's lines.
  static constexpr size_t kMostExtra = 64 << 10;
  static constexpr int kPasswordTries = 3;
  static constexpr auto kPasswordPause = std::chrono::seconds(1);

 private:
  using Words = std::vector<std::string>;

  struct ClientKey {
    uint64_t cid = 0;
    uint32_t kid = 0;
  };
  /// Lines of a client-auth that has not come to its END.
  struct Extra {
    ClientKey key;
    std::vector<std::string> lines;
    size_t bytes = 0;
  };

  // client_commands.cc
  std::optional<ClientKey> client_key(const Words& words);
  void say_done(const char* command, bool done);
  void client_kill(const Words& words);
  void client_auth(const Words& words, bool lines_follow);
  void take_extra(std::string_view line);
  void finish_extra();
  void client_deny(const Words& words);
  void client_pending_auth(const Words& words);
  void push_update(std::optional<uint64_t> cid, const std::string& options);
  void push_update_cid(const Words& words);

  // dialogue.cc

  void welcome();
  void tell(std::string_view line);
  void take_lines(Now now);
  void obey(std::string_view line, Now now);
  void log_command(std::string_view line, const Result<Words>& words);
  void check_password(std::string_view line, Now now);
  void say(std::string_view line);
  void show_bytecounts();
  bool wanted(std::string_view line);

  // commands.cc
  void run(CommandId command, const Words& words, Now now);
  void say_status(const Words& words, Now now);
  void history(const Words& words, const char* type, const History& history, bool& real_time);
  void one_history(const std::string& word, const char* type, const History& history, bool& real_time);
  void kill(const std::string& victim);
  void kill_address(const std::string& victim, size_t colon);
  void hold(const Words& words);
  void send_signal(const std::string& name);
  void load_stats();
  void verb(const Words& words);
  void mute(const Words& words);
  void auth_retry(const Words& words);
  void bytecount(const std::string& seconds, Now now);
  void say_not_needed(const std::string& command);
  void test(const std::string& count);
  void help();
  void version(const Words& words);

  const Settings& settings_;
  Board& board_;
  Daemon& daemon_;
  std::string input_;
  size_t line_length_ = 0;  ///< of the last, unfinished line of input_
  std::string output_;
  bool authorized_ = false;
  bool finished_ = false;
  bool obeying_ = false;   ///< a command runs: what it brings about is told behind its answer
  std::string told_then_;  ///< that
  bool skipping_ = false;  ///< to the end of a line that is too long
  int wrong_passwords_ = 0;
  std::optional<MonoTime> paused_until_;
  std::optional<Extra> extra_;
  bool log_on_ = false;
  bool state_on_ = false;
  bool echo_on_ = false;
  int env_filter_ = 0;
  bool asks_ = false;  ///< the variables that follow are of a client that asks to come in
  std::optional<MonoTime> bytecount_at_;
  std::chrono::seconds bytecount_every_{0};
  std::map<uint64_t, uint64_t> bytes_shown_;  ///< by client ID: in + out when last shown
};

}  // namespace culvert::management
