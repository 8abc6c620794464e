// What a worker waits on while it sleeps: its doorbell and the descriptors of its ports.
#pragma once

#include <cstdint>

#include "drivers/file_descriptor.h"

namespace culvert::dataplane {

class Sleeper {
 public:
  /// Starts anew with nothing but `doorbell`, an eventfd that is watched edge-triggered because nobody reads it.
  explicit Sleeper(int doorbell);

  /// Also wakes when `fd` turns readable, and then says `mask`; -1 means a port that must be polled: no sleep at all
  /// from now on.
  void add(int fd, uint64_t mask = 0);
  void remove(int fd);
  bool may_sleep() const { return may_sleep_; }
  /// Waits up to `nanoseconds`, rounded up to milliseconds. Returns the masks of what is readable, all together; of
  /// what there is no room to tell now, the next wait tells. 0: only the doorbell, or the time is over.
  uint64_t wait(uint64_t nanoseconds);
  /// Waits for `nanoseconds`, whatever comes. How exactly is the thread's timer slack (ask_for_sharp_timers).
  static void nap(uint64_t nanoseconds);

 private:
  drivers::FileDescriptor epoll_;
  bool may_sleep_ = true;
};

}  // namespace culvert::dataplane
