// Keeping keys out of swap, core files and freed memory.
#pragma once

#include <cstddef>
#include <cstring>

#include "dataplane/abi/command.h"

namespace culvert::io {

/// Zeroes memory; the compiler may not leave it out.
inline void wipe(void* data, size_t size) {
  std::memset(data, 0, size);
  __asm__ __volatile__("" : : "r"(data) : "memory");
}

/// Zeroes a command after use when it carries a key.
inline void wipe_if_secret(abi::Command& command) {
  if (command.kind == abi::CommandKind::kInstallKey) wipe(&command, sizeof command);
}

/// This process leaves no core file, can't be read through ptrace or /proc by others of its user, and keeps what it
/// allocates from now on out of swap. Best effort: a limit that forbids locking is no error.
void harden_process();

}  // namespace culvert::io
