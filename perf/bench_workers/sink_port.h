// A port that takes every packet and gives its buffer back.
#pragma once

#include "drivers/port.h"

namespace culvert::perf {

class SinkPort final : public drivers::Port {
 public:
  uint16_t rx_burst(std::span<rte_mbuf*>, abi::Tally&) override { return 0; }
  void tx_burst(std::span<rte_mbuf*> packets, abi::Tally&) override {
    rte_pktmbuf_free_bulk(packets.data(), static_cast<unsigned>(packets.size()));
  }
  int wake_fd() const override { return -1; }
  drivers::Side side() const override { return drivers::Side::kOuter; }
  std::string name() const override { return "sink"; }
};

}  // namespace culvert::perf
