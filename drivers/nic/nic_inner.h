// Inner port in NIC mode: what the kernel's routes send to a neighbour behind a NIC leaves there at once, one hop less;
// the TUN, and so the kernel, gets the rest: packets for the gateway, an expired TTL, too long for the link, no
// neighbour yet.
#pragma once

#include <memory>
#include <vector>

#include "drivers/nic/nic_port.h"
#include "drivers/port.h"

namespace culvert::drivers {

class NicInnerPort final : public Port {
 public:
  /// `nics`: of this worker, by NextHop::nic(); they outlive the port.
  NicInnerPort(std::shared_ptr<Port> tun, const ForwardingTable& table, std::vector<NicPort*> nics)
      : tun_(std::move(tun)), table_(table), nics_(std::move(nics)) {}

  uint16_t rx_burst(std::span<rte_mbuf*> out, abi::Tally& tally) override { return tun_->rx_burst(out, tally); }
  /// Sent by NicPort::flush.
  void tx_burst(std::span<rte_mbuf*> packets, abi::Tally& tally) override;
  bool holds_packets() const override { return tun_->holds_packets(); }
  int wake_fd() const override { return tun_->wake_fd(); }
  bool is_gone() const override { return tun_->is_gone(); }
  void count_losses(abi::Tally& tally) override { tun_->count_losses(tally); }
  Side side() const override { return Side::kInner; }
  std::string name() const override { return tun_->name() + " and NICs"; }

 private:
  bool send(rte_mbuf* packet, NextHop hop, abi::Tally& tally);

  std::shared_ptr<Port> tun_;
  const ForwardingTable& table_;
  std::vector<NicPort*> nics_;
};

}  // namespace culvert::drivers
