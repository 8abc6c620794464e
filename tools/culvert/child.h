// A process that `culvert up` starts and looks after.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "dataplane/abi/result.h"
#include "tools/culvert/kept_descriptors.h"

namespace culvert::cli {

class Child {
 public:
  explicit Child(std::vector<std::string> argv) : argv_(std::move(argv)) {}

  /// Starts the program, in a process group of its own (a Ctrl-C at the terminal is for us to hand on), with SIGTERM to
  /// come when we die. `kept`: what it finds open, and where it has more kept (sd_listen_fds(3)); null: nothing.
  Status start(const KeptDescriptors* kept = nullptr);
  /// True when it runs.
  bool running() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }
  void signal(int number) const;
  /// How it ended ("exit status 1", "killed by signal 9"), when it has ended since the last call.
  std::optional<std::string> reap();
  /// Of its last end; -1: a signal, or it has not ended yet.
  int exit_status() const { return exit_status_; }

  /// "culvert-control"
  std::string name() const;

 private:
  std::vector<std::string> argv_;
  pid_t pid_ = 0;
  int exit_status_ = -1;
};

/// Path of the program `name` that belongs to this culvert: beside our own binary, in the sbin folder beside ours, in
/// the build folder that we were built in, else in PATH.
Result<std::string> find_program(const std::string& name);

}  // namespace culvert::cli
