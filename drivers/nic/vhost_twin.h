// A twin by virtio-user and vhost-net: a TAP device whose queues the kernel's vhost thread serves, without system calls
// on our side.
#pragma once

#include "drivers/nic/ethdev.h"
#include "drivers/nic/twin.h"

namespace culvert::drivers {

class VhostTwin final : public Twin {
 public:
  static Result<std::unique_ptr<Twin>> make(const TwinSettings& settings, rte_mempool* packets);

  uint16_t rx_burst(std::span<rte_mbuf*> out, abi::Tally& tally) override;
  void tx_burst(std::span<rte_mbuf*> frames, abi::Tally& tally) override;
  int index() const override { return index_; }
  bool is_gone() const override;
  Result<std::vector<std::unique_ptr<Twin>>> make_next(const TwinSettings& settings, size_t workers) const override;
  Status go_on_with(Twin& next) override;
  std::string text() const override { return "vhost-net " + name_; }

 private:
  VhostTwin(EthDevice device, std::string name, int index)
      : device_(std::move(device)), name_(std::move(name)), index_(index) {}

  EthDevice device_;
  std::string name_;
  int index_;
};

}  // namespace culvert::drivers
