// Accepting while the process or the system is short of something.
#pragma once

#include <cerrno>
#include <chrono>

namespace culvert::io {

/// accept4() failed with `error`, and the connection still waits: a listener that is asked on would keep the loop awake
/// until there are descriptors again. Look again after kAcceptAgainAfter.
constexpr bool none_can_be_accepted(int error) {
  return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}
inline constexpr std::chrono::milliseconds kAcceptAgainAfter{100};

}  // namespace culvert::io
