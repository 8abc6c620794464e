// What a TUN's queues had no room for, which the kernel counts for the device as a whole.
//
// Asking takes the kernel's lock on all interfaces (RTNL), which other programs may hold for long: the main thread
// asks, and a worker takes what that has found.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "dataplane/abi/result.h"

struct nl_sock;

namespace culvert::drivers {

class TunLosses {
 public:
  /// Of the device `name` of this network namespace, from now on: what was lost before is not ours. Error: there is
  /// none, or the kernel does not say.
  static Result<std::shared_ptr<TunLosses>> watch(const std::string& name);

  /// Main thread: asks the kernel. Without an answer, as of a device that was deleted, what is known stays.
  void look();
  /// Worker: packets lost since the last call, as of the last look().
  uint64_t take();

 private:
  struct FreeSocket {
    void operator()(nl_sock* socket) const;
  };
  TunLosses() = default;
  /// IFLA_STATS64, tx_dropped. False: no answer.
  bool ask(uint64_t& dropped);

  std::unique_ptr<nl_sock, FreeSocket> socket_;
  int index_ = 0;
  std::atomic<uint64_t> dropped_{0};  // writer: main thread; reader: worker
  uint64_t taken_ = 0;                // of dropped_; the worker's
};

}  // namespace culvert::drivers
