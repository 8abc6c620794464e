// One epoll loop: file descriptors, timers, signals. Everything in control runs in its callbacks, one at a time.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "control/io/fd.h"
#include "control/now.h"
#include "dataplane/abi/result.h"

namespace culvert::io {

class EventLoop {
 public:
  using FdCallback = std::function<void(uint32_t events)>;
  using TimerId = uint64_t;

  static Result<std::unique_ptr<EventLoop>> make();

  /// Calls `callback` when `fd` has one of `events` (EPOLLIN, …). A second call for the same fd replaces the first.
  Status watch(int fd, uint32_t events, FdCallback callback);
  /// Changes what a watched fd waits for; unknown fds are ignored.
  void set_events(int fd, uint32_t events);
  /// Must be called before the fd is closed. Events of it that were already fetched are not delivered any more.
  void unwatch(int fd);

  /// Calls `callback` once at `when` or soon after. 0 is never a timer's id.
  TimerId at(MonoTime when, std::function<void()> callback);
  void cancel(TimerId timer);

  /// Takes over a signal: it is blocked in this thread (and in threads started later) and delivered here.
  Status on_signal(int signal, std::function<void()> callback);

  /// Waits until something happens, at most until `deadline`, and runs the callbacks that are due.
  void run_once(std::optional<MonoTime> deadline = std::nullopt);

 private:
  struct Watch {
    uint64_t serial;
    uint32_t events;
    std::shared_ptr<FdCallback> callback;
  };

  explicit EventLoop(Fd epoll) : epoll_(std::move(epoll)) {}
  void run_timers();
  void read_signals();

  Fd epoll_;
  Fd signals_;
  std::unordered_map<int, Watch> watches_;
  std::unordered_map<uint64_t, int> fd_of_serial_;
  uint64_t next_serial_ = 1;
  std::map<std::pair<MonoTime, TimerId>, std::function<void()>> timers_;
  std::unordered_map<TimerId, MonoTime> timer_times_;
  TimerId next_timer_ = 1;
  std::unordered_map<int, std::function<void()>> signal_callbacks_;
};

}  // namespace culvert::io
