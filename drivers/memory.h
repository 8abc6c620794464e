// A port whose far end is the process itself: tests and benchmarks put packets in and take packets out.
#pragma once

#include <deque>
#include <vector>

#include "drivers/port.h"

namespace culvert::drivers {

class MemoryPort final : public Port {
 public:
  /// `capacity`: packets that may wait at the far end before tx_burst counts tx_queue_full.
  explicit MemoryPort(Side side, size_t capacity = 4096) : side_(side), capacity_(capacity) {}
  ~MemoryPort() override;
  MemoryPort(const MemoryPort&) = delete;
  MemoryPort& operator=(const MemoryPort&) = delete;

  uint16_t rx_burst(std::span<rte_mbuf*> out, abi::Tally& tally) override;
  void tx_burst(std::span<rte_mbuf*> packets, abi::Tally& tally) override;
  int wake_fd() const override { return -1; }
  Side side() const override { return side_; }
  std::string name() const override;

  /// Far end: queues a packet for rx_burst; takes ownership.
  void inject(rte_mbuf* packet) { received_.push_back(packet); }
  /// Far end: all packets sent so far, oldest first; the caller frees them.
  std::vector<rte_mbuf*> take_sent();
  size_t sent_count() const { return sent_.size(); }

 private:
  Side side_;
  size_t capacity_;
  std::deque<rte_mbuf*> received_;
  std::vector<rte_mbuf*> sent_;
};

}  // namespace culvert::drivers
