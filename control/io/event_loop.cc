#include "control/io/event_loop.h"

#include <signal.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "control/io/clock.h"

namespace culvert::io {

Result<std::unique_ptr<EventLoop>> EventLoop::make() {
  Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return Error{std::string("epoll_create1: ") + std::strerror(errno)};
  return std::unique_ptr<EventLoop>(new EventLoop(std::move(epoll)));
}

Status EventLoop::watch(int fd, uint32_t events, FdCallback callback) {
  unwatch(fd);
  // epoll carries a serial and not the fd: a number that was closed and opened again in the same batch must not receive
  // the events of its predecessor.
  uint64_t serial = next_serial_++;
  epoll_event event{};
  event.events = events;
  event.data.u64 = serial;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
    return Error{"epoll_ctl for descriptor " + std::to_string(fd) + ": " + std::strerror(errno)};
  watches_[fd] = {serial, events, std::make_shared<FdCallback>(std::move(callback))};
  fd_of_serial_[serial] = fd;
  return {};
}

void EventLoop::set_events(int fd, uint32_t events) {
  auto found = watches_.find(fd);
  if (found == watches_.end() || found->second.events == events) return;
  epoll_event event{};
  event.events = events;
  event.data.u64 = found->second.serial;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0) found->second.events = events;
}

void EventLoop::unwatch(int fd) {
  auto found = watches_.find(fd);
  if (found == watches_.end()) return;
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  fd_of_serial_.erase(found->second.serial);
  watches_.erase(found);
}

EventLoop::TimerId EventLoop::at(MonoTime when, std::function<void()> callback) {
  TimerId id = next_timer_++;
  timers_.emplace(std::pair(when, id), std::move(callback));
  timer_times_[id] = when;
  return id;
}

void EventLoop::cancel(TimerId timer) {
  auto found = timer_times_.find(timer);
  if (found == timer_times_.end()) return;
  timers_.erase({found->second, timer});
  timer_times_.erase(found);
}

Status EventLoop::on_signal(int signal, std::function<void()> callback) {
  signal_callbacks_[signal] = std::move(callback);
  sigset_t set;
  sigemptyset(&set);
  for (const auto& [number, unused] : signal_callbacks_) sigaddset(&set, number);
  if (int error = pthread_sigmask(SIG_BLOCK, &set, nullptr))
    return Error{std::string("sigmask: ") + std::strerror(error)};
  int fd = signalfd(signals_ ? signals_.get() : -1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) return Error{std::string("signalfd: ") + std::strerror(errno)};
  if (signals_) return {};
  signals_ = Fd(fd);
  return watch(fd, EPOLLIN, [this](uint32_t) { read_signals(); });
}

void EventLoop::read_signals() {
  signalfd_siginfo info;
  while (read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    auto found = signal_callbacks_.find(static_cast<int>(info.ssi_signo));
    if (found == signal_callbacks_.end()) continue;
    auto callback = found->second;  // a copy: the callback may replace itself
    callback();
  }
}

void EventLoop::run_timers() {
  MonoTime now = mono_now();
  // Only timers that exist now: one that sets itself anew for "at once" must not keep the loop from its descriptors.
  TimerId limit = next_timer_;
  while (!timers_.empty() && timers_.begin()->first.first <= now && timers_.begin()->first.second < limit) {
    auto node = timers_.extract(timers_.begin());
    timer_times_.erase(node.key().second);
    node.mapped()();
  }
}

void EventLoop::run_once(std::optional<MonoTime> deadline) {
  if (!timers_.empty()) {
    MonoTime first = timers_.begin()->first.first;
    deadline = deadline ? std::min(*deadline, first) : first;
  }
  timespec timeout{};
  timespec* wait = nullptr;
  if (deadline) {
    auto left = std::max(*deadline - mono_now(), MonoClock::duration::zero());
    timeout.tv_sec = static_cast<time_t>(left.count() / 1'000'000'000);
    timeout.tv_nsec = static_cast<long>(left.count() % 1'000'000'000);
    wait = &timeout;
  }
  std::array<epoll_event, 64> events;
  int count = epoll_pwait2(epoll_.get(), events.data(), static_cast<int>(events.size()), wait, nullptr);
  for (int i = 0; i < count; ++i) {
    auto fd = fd_of_serial_.find(events[static_cast<size_t>(i)].data.u64);
    if (fd == fd_of_serial_.end()) continue;
    auto callback = watches_.at(fd->second).callback;  // kept alive while it runs, even if it unwatches itself
    (*callback)(events[static_cast<size_t>(i)].events);
  }
  run_timers();
}

}  // namespace culvert::io
