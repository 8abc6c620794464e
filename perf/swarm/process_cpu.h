// CPU time of the server's processes.
#pragma once

#include <sys/types.h>
#include <string>

#include "dataplane/abi/result.h"

namespace culvert::swarm {

/// User and system time that process `pid` has used so far, seconds (fields 14 and 15 of /proc/PID/stat, proc(5)).
/// Error: it is gone.
Result<double> cpu_seconds(pid_t pid);
/// Likewise out of the text of such a file, in clock ticks. Negative: not such a text.
double cpu_ticks(const std::string& stat);

}  // namespace culvert::swarm
