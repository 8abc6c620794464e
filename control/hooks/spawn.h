// Starts one program.
#pragma once

#include <string>
#include <vector>

#include "control/io/fd.h"
#include "dataplane/abi/result.h"

namespace culvert::hooks {

struct Spawned {
  int pid = -1;
  io::Fd process;  ///< pidfd: readable when it has ended
  io::Fd output;   ///< what it prints (both streams), non-blocking
  io::Fd failure;  ///< holds an errno when the program could not be executed, else at its end
};

/// Starts argv[0], no shell and no search, as leader of a new process group, input from /dev/null, signals as a new
/// process expects them. In `folder`, if there is one and the user that we are may enter it; else where we are. A
/// relative argv[0] counts from where we are in any case.
Result<Spawned> spawn(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                      const std::string& folder = {});

}  // namespace culvert::hooks
