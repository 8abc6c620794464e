// The program of a running process: the file that would be started in its place, and what that file says of itself.
// A process that talks to strangers is not believed: nothing is run but the installation's own programs, whatever the
// process says that it is.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "dataplane/abi/result.h"

namespace culvert::cli {

/// How a program ended that was run for what it prints.
struct Finished {
  int exit_status = -1;  ///< -1: a signal ended it
  std::string output;    ///< standard output and standard error, without the last newline
};

/// Runs `argv` ([0] is a path; no search, no shell) to its end, and kills it when `within` is over. The error says why
/// there is nothing to be read.
Result<Finished> run_and_read(const std::vector<std::string>& argv, std::chrono::milliseconds within);

class RunningProgram {
 public:
  /// Of a process that runs `path`, or what had that name before. The error says what is in the way, also that it is
  /// a process of another program.
  static Result<RunningProgram> of(pid_t pid, const std::string& path);

  pid_t pid() const { return pid_; }
  pid_t parent() const { return parent_; }
  /// Is it a process of a systemd service?
  bool in_service() const { return in_service_; }
  const std::string& path() const { return argv_.front(); }
  /// Does that name another program by now than the one that runs? An identical file is the same program.
  bool replaced() const { return replaced_; }

  /// Runs the file on disk with the arguments of the process and `more`.
  Result<Finished> run_next(const std::vector<std::string>& more) const;

 private:
  pid_t pid_ = 0;
  pid_t parent_ = 0;
  bool in_service_ = false;
  bool replaced_ = false;
  std::vector<std::string> argv_;
};

}  // namespace culvert::cli
