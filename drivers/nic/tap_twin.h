// A twin on a TAP device: one system call per frame, so for what is rare.
//
// The device is persistent: when a dataplane is killed, addresses, routes and neighbours stay for the next one, which
// takes it over by its name. A dataplane that ends in order takes it away.
#pragma once

#include "drivers/file_descriptor.h"
#include "drivers/nic/twin.h"

namespace culvert::drivers {

class TapTwin final : public Twin {
 public:
  /// One device with `queues` queues, each an end of its own.
  static Result<std::vector<std::unique_ptr<Twin>>> make(const TwinSettings& settings, rte_mempool* packets,
                                                         size_t queues = 1);
  ~TapTwin() override;

  uint16_t rx_burst(std::span<rte_mbuf*> out, abi::Tally& tally) override;
  void tx_burst(std::span<rte_mbuf*> frames, abi::Tally& tally) override;
  int index() const override { return index_; }
  bool is_gone() const override;
  Result<std::vector<std::unique_ptr<Twin>>> make_next(const TwinSettings& settings, size_t workers) const override {
    return make(settings, packets_, workers);
  }
  Status go_on_with(Twin& next) override;
  std::string text() const override { return "tap " + name_; }

 private:
  TapTwin(FileDescriptor queue, std::string name, int index, rte_mempool* packets)
      : queue_(std::move(queue)), name_(std::move(name)), index_(index), packets_(packets) {}

  FileDescriptor queue_;  // its number stays the same for life, so that go_on_with() needs no word with the worker
  std::string name_;
  int index_;
  rte_mempool* packets_;
};

}  // namespace culvert::drivers
