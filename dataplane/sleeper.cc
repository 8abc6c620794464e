#include "dataplane/sleeper.h"

#include <sys/epoll.h>
#include <time.h>

#include <algorithm>
#include <array>

namespace culvert::dataplane {

Sleeper::Sleeper(int doorbell) : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, doorbell, &event) != 0) may_sleep_ = false;
}

void Sleeper::add(int fd, uint64_t mask) {
  epoll_event event{};
  event.data.u64 = mask;
  event.events = EPOLLIN;
  // A port that can't be waited on is polled: warm, but never deaf.
  if (fd < 0 || epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) may_sleep_ = false;
}

void Sleeper::remove(int fd) {
  if (fd >= 0) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

uint64_t Sleeper::wait(uint64_t nanoseconds) {
  constexpr uint64_t kMillisecond = 1'000'000;
  constexpr uint64_t kLongest = 60'000;
  std::array<epoll_event, 8> events;
  int count = epoll_wait(epoll_.get(), events.data(), events.size(),
                         static_cast<int>(std::min(kLongest, (nanoseconds + kMillisecond - 1) / kMillisecond)));
  uint64_t readable = 0;
  for (int i = 0; i < count; ++i) readable |= events[static_cast<size_t>(i)].data.u64;
  return readable;
}

void Sleeper::nap(uint64_t nanoseconds) {
  timespec time{0, static_cast<long>(nanoseconds)};
  clock_nanosleep(CLOCK_MONOTONIC, 0, &time, nullptr);
}

}  // namespace culvert::dataplane
