// Outer port of a UDP listener in NIC mode: what the kernel's routes send to a neighbour behind a NIC goes out there;
// the kernel's socket takes the rest (no neighbour yet, too long for the link, routes that lead elsewhere) and what
// reaches the gateway through the kernel: reassembled fragments, clients on other interfaces.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "drivers/nic/forwarding_table.h"
#include "drivers/nic/nic_port.h"
#include "drivers/port.h"

namespace culvert::drivers {

class NicUdpPort final : public Port {
 public:
  /// `socket`: the listener's port on the kernel's socket. `nics`: of this worker, by NextHop::nic(); they outlive it.
  NicUdpPort(std::shared_ptr<Port> socket, const ForwardingTable& table, std::vector<NicPort*> nics)
      : socket_(std::move(socket)), table_(table), nics_(std::move(nics)) {}

  /// Of the socket: what arrives at NICs comes from NicPort::receive.
  uint16_t rx_burst(std::span<rte_mbuf*> out, abi::Tally& tally) override { return socket_->rx_burst(out, tally); }
  /// Sent by NicPort::flush.
  void tx_burst(std::span<rte_mbuf*> packets, abi::Tally& tally) override;
  bool holds_packets() const override { return socket_->holds_packets(); }
  int wake_fd() const override { return socket_->wake_fd(); }
  void count_losses(abi::Tally& tally) override { socket_->count_losses(tally); }
  Side side() const override { return Side::kOuter; }
  std::string name() const override { return socket_->name() + " and NICs"; }

 private:
  bool send(rte_mbuf* packet, NextHop hop, abi::Tally& tally);

  std::shared_ptr<Port> socket_;
  const ForwardingTable& table_;
  std::vector<NicPort*> nics_;
};

/// Looks up where each of `packets` goes; `address` gives version and address of one, version 0: not to be looked up.
/// At most ForwardingTable::kBurst packets.
struct Destination {
  uint8_t version;
  const uint8_t* address;
};
void look_up_all(const ForwardingTable& table, std::span<const Destination> destinations, NextHop* hops);

}  // namespace culvert::drivers
