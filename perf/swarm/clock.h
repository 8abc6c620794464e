// The two clocks, read: everything behind takes time as an argument.
#pragma once

#include <chrono>

#include "control/now.h"

namespace culvert::swarm {

inline uint64_t now_ns() {
  return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}
inline Now read_now() {
  return {MonoTime(std::chrono::nanoseconds(now_ns())),
          std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now())};
}

}  // namespace culvert::swarm
