#include "drivers/memory.h"

#include <algorithm>
#include <utility>

namespace culvert::drivers {

MemoryPort::~MemoryPort() {
  for (rte_mbuf* packet : received_) rte_pktmbuf_free(packet);
  for (rte_mbuf* packet : sent_) rte_pktmbuf_free(packet);
}

uint16_t MemoryPort::rx_burst(std::span<rte_mbuf*> out, abi::Tally&) {
  size_t count = std::min(out.size(), received_.size());
  std::copy_n(received_.begin(), count, out.begin());
  received_.erase(received_.begin(), received_.begin() + static_cast<std::ptrdiff_t>(count));
  return static_cast<uint16_t>(count);
}

void MemoryPort::tx_burst(std::span<rte_mbuf*> packets, abi::Tally& tally) {
  size_t taken = std::min(packets.size(), capacity_ - std::min(capacity_, sent_.size()));
  uint64_t bytes = 0;
  for (rte_mbuf* packet : packets.first(taken)) bytes += rte_pktmbuf_pkt_len(packet);
  sent_.insert(sent_.end(), packets.begin(), packets.begin() + static_cast<std::ptrdiff_t>(taken));

  using abi::Counter;
  tally.add(side_ == Side::kOuter ? Counter::outer_tx_packets : Counter::inner_tx_packets, taken);
  tally.add(side_ == Side::kOuter ? Counter::outer_tx_bytes : Counter::inner_tx_bytes, bytes);
  for (rte_mbuf* packet : packets.subspan(taken)) {
    tally.drop(abi::DropReason::tx_queue_full);
    rte_pktmbuf_free(packet);
  }
}

std::string MemoryPort::name() const {
  return side_ == Side::kOuter ? "memory outer" : "memory inner";
}

std::vector<rte_mbuf*> MemoryPort::take_sent() {
  return std::exchange(sent_, {});
}

}  // namespace culvert::drivers
