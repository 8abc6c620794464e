#include "dataplane/sleeper.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>

namespace culvert::dataplane {

Sleeper::Sleeper(int doorbell) : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, doorbell, &event) != 0) may_sleep_ = false;
}

void Sleeper::add(int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  // A port that can't be waited on is polled: warm, but never deaf.
  if (fd < 0 || epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) may_sleep_ = false;
}

void Sleeper::remove(int fd) {
  if (fd >= 0) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void Sleeper::wait(uint64_t nanoseconds) {
  constexpr uint64_t kMillisecond = 1'000'000;
  constexpr uint64_t kLongest = 60'000;
  std::array<epoll_event, 8> events;  // which port it was doesn't matter: the next pass asks them all
  epoll_wait(epoll_.get(), events.data(), events.size(),
             static_cast<int>(std::min(kLongest, (nanoseconds + kMillisecond - 1) / kMillisecond)));
}

}  // namespace culvert::dataplane
