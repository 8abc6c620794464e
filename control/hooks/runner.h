// Runs operators' scripts beside the event loop: without a shell, each in a process group of its own, within a time
// limit. What a script prints goes to the log.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "control/hooks/environment.h"
#include "control/io/event_loop.h"
#include "control/io/log.h"

namespace culvert::hooks {

struct Command {
  std::vector<std::string> argv;         ///< [0] is the program's path; no search, no shell
  std::vector<std::string> environment;  ///< "NAME=value", all that the program sees
  std::string folder{};                  ///< where it is started; empty: where we are
  std::string label;                     ///< for the log: "client-connect of alice"
  std::string client;  ///< commands of one client run one after the other, and can't take more than their share
};

/// Runs `program` with its arguments and this environment, in the environment's folder. For `label` and `client` see
/// Command.
Command command_of(const std::vector<std::string>& program, const Environment& environment, std::string label,
                   std::string client);

enum class Ending : uint8_t { kExited, kSignalled, kTimedOut, kNotStarted };

struct Outcome {
  Ending ending = Ending::kNotStarted;
  int status = -1;   ///< kExited: exit status
  std::string text;  ///< for the operator, when it is not "exited with 0"
  bool ok() const { return ending == Ending::kExited && status == 0; }
  /// What AUTH_FAILED says to a client that this decides about. Where the program came to no verdict the client may try
  /// again, and need not take its password for a wrong one (clients since 2.6: push.c, parse_auth_failed_temp).
  const char* for_client() const { return ending == Ending::kExited ? "" : kNoVerdict; }
  static constexpr const char* kNoVerdict = "TEMP:server could not decide";
};

class Runner {
 public:
  struct Limits {
    MonoClock::duration time = std::chrono::seconds(60);  ///< per command, from its start
    size_t processes = 128;                               ///< at once
    size_t waiting = 4096;                                ///< in all
    size_t waiting_per_client = 16;
    size_t left_behind = 512;  ///< scripts that have ended, whose background processes may still be heard
  };
  using Done = std::function<void(const Outcome&)>;
  using JobId = uint64_t;

  Runner(io::EventLoop& loop, Limits limits) : loop_(loop), limits_(limits) {}
  /// Kills what still runs.
  ~Runner();
  Runner(const Runner&) = delete;

  /// Runs `command`, now or when its turn comes; `done` is called from the loop, never in here. 0: too much waits
  /// already, `done` is not called.
  JobId run(Command command, Done done);
  /// `done` is not called any more; a process that runs is killed. Unknown ids are ignored.
  void cancel(JobId job);

  size_t running() const { return running_.size(); }
  size_t waiting() const { return queue_.size(); }
  void set_time_limit(MonoClock::duration time) { limits_.time = time; }

 private:
  struct Job;
  struct Output {
    io::Fd fd;
    std::string label;
    std::string line;  ///< begun, not ended yet
  };

  void start_more();
  bool start(const std::shared_ptr<Job>& job);
  void watch_output(const std::shared_ptr<Job>& job);
  void read_output(JobId id);
  /// The script has ended; what still holds its output is a process that it left behind.
  void leave_behind(JobId id);
  void close_output(JobId id);
  void on_exit(const std::shared_ptr<Job>& job);
  void finish(const std::shared_ptr<Job>& job, Outcome outcome);
  void print(const std::string& label, std::string_view line);

  io::EventLoop& loop_;
  Limits limits_;
  JobId next_ = 1;
  std::deque<std::shared_ptr<Job>> queue_;
  std::map<JobId, std::shared_ptr<Job>> running_;
  std::map<std::string, size_t> waiting_of_;  ///< queued and running, by client
  std::map<std::string, size_t> running_of_;
  std::map<JobId, std::unique_ptr<Output>> outputs_;  ///< what scripts and their background processes print
  std::set<JobId> left_behind_;                       ///< those of ended scripts, in the order of their starts
  io::EventLoop::TimerId wake_ = 0;
  io::LogBudget budget_{100};
};

}  // namespace culvert::hooks
