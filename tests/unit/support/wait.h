// Waiting for a condition that another thread or the kernel brings about.
#pragma once

#include <poll.h>

#include <chrono>

namespace culvert::testing {

/// Looks at `condition` every millisecond until it holds or `limit` is over. Returns whether it held.
inline bool wait_until(auto condition, std::chrono::milliseconds limit = std::chrono::seconds(5)) {
  auto give_up = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= give_up) return false;
    poll(nullptr, 0, 1);
  }
  return true;
}

/// True when `fd` turns readable within `limit`.
inline bool wait_readable(int fd, std::chrono::milliseconds limit = std::chrono::seconds(5)) {
  pollfd wanted{fd, POLLIN, 0};
  return poll(&wanted, 1, static_cast<int>(limit.count())) == 1;
}

}  // namespace culvert::testing
