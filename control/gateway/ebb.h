// When so many sessions have ended that the memory they took should go back to the kernel. Pure: time is an argument.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

#include "control/now.h"

namespace culvert::gateway {

class Ebb {
 public:
  static constexpr size_t kLeast = 256;             ///< sessions: they have taken some 10 MB
  static constexpr std::chrono::seconds kLast{90};  ///< behind hand-window, within which goodbyes may still be said

  /// To be called from time to time, with the sessions that there are. True, once for each ebb: for kLast there have
  /// been fewer than half of what there were before, and kLeast fewer. Who only reconnects is back by then.
  bool is_due(size_t sessions, MonoTime now);

 private:
  size_t high_ = 0;  // most sessions since the last ebb
  std::optional<MonoTime> began_;
};

}  // namespace culvert::gateway
