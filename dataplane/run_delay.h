// How long the calling thread has been able to run and had no core.
#pragma once

#include <cstdint>
#include <optional>

#include "drivers/file_descriptor.h"

namespace culvert::dataplane {

class RunDelay {
 public:
  /// Nanoseconds since the thread that asks first has started; ask from that thread only. A system call or two, which
  /// don't block. Source: the second number of /proc/thread-self/schedstat (Linux,
  /// Documentation/scheduler/sched-stats). None: the kernel does not count it, or /proc is not there.
  std::optional<uint64_t> read();

 private:
  drivers::FileDescriptor file_;
  bool opened_ = false;  // or tried to
};

}  // namespace culvert::dataplane
