// What the main thread and the workers tell each other about a NIC.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "dataplane/abi/endpoint.h"

namespace culvert::drivers {

/// Peers whose path takes less than the link does, as routers have said. One writer, one reader; full: the router will
/// say it again.
class TooBigQueue {
 public:
  /// Worker.
  void push(const abi::IpAddress& peer) {
    uint32_t head = head_.load(std::memory_order_relaxed);
    if (head - tail_.load(std::memory_order_acquire) == peers_.size()) return;
    peers_[head % peers_.size()] = peer;
    head_.store(head + 1, std::memory_order_release);
  }
  /// Main thread. False: empty.
  bool pop(abi::IpAddress& peer) {
    uint32_t tail = tail_.load(std::memory_order_relaxed);
    if (tail == head_.load(std::memory_order_acquire)) return false;
    peer = peers_[tail % peers_.size()];
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

 private:
  std::array<abi::IpAddress, 64> peers_;
  std::atomic<uint32_t> head_{0};
  std::atomic<uint32_t> tail_{0};
};

/// Of one NIC and one worker.
struct NicState {
  std::atomic<bool> has_link{true};  ///< writer: main thread
  std::atomic<uint32_t> mtu{1500};   ///< writer: main thread; bytes that an IP packet may have
  TooBigQueue too_big;               ///< writer: worker
};

}  // namespace culvert::drivers
