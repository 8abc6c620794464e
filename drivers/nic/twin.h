// The kernel's end of a NIC port: a network interface with the port's MAC address. What the gateway does not take
// itself (ARP, ND, ICMP, TCP to the gateway, BGP, fragments) goes in, what the kernel sends comes out.
#pragma once

#include <rte_mbuf.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dataplane/abi/counters.h"
#include "dataplane/abi/result.h"
#include "dataplane/abi/setup.h"
#include "dataplane/wire/ethernet.h"

namespace culvert::drivers {

struct TwinSettings {
  std::string name;
  wire::MacAddress mac{};
  uint32_t mtu = 1500;
  std::vector<abi::TunAddress> addresses;  ///< to give it at start; empty: the operator's business
};

/// Whole Ethernet frames, both ways. One worker's.
class Twin {
 public:
  virtual ~Twin() = default;
  /// Frames that the kernel sends. Like Port::rx_burst.
  virtual uint16_t rx_burst(std::span<rte_mbuf*> out, abi::Tally& tally) = 0;
  /// Frames for the kernel; takes ownership of all of them. Counts what the kernel took (twin_tx_packets), or why not.
  virtual void tx_burst(std::span<rte_mbuf*> frames, abi::Tally& tally) = 0;
  /// Of the interface in the kernel.
  virtual int index() const = 0;
  /// "tap nic0", "vhost-net nic0"
  virtual std::string text() const = 0;

  /// Has somebody deleted the interface? Nothing comes from it then, and frames for it are counted as tx_port_down.
  /// Main thread, also while a worker sends and receives.
  virtual bool is_gone() const = 0;
  /// A new interface in place of the deleted one, with an end for each of `workers`. Errors as make_twins(), and that
  /// only a start makes a twin of this kind.
  virtual Result<std::vector<std::unique_ptr<Twin>>> make_next(const TwinSettings& settings, size_t workers) const = 0;
  /// Goes on with the interface of `next`, one of make_next(), which is left without one. Threads as is_gone(). Error:
  /// out of descriptors.
  virtual Status go_on_with(Twin& next) = 0;
};

/// One interface in the kernel with an end for each of `workers`: by vhost-net where the kernel has it and there is one
/// worker, else by a TAP device with a queue for each. `warnings` gets a line when vhost-net does not work. Needs
/// CAP_NET_ADMIN. Errors: no /dev/net/tun, name taken, an address that can't be set.
Result<std::vector<std::unique_ptr<Twin>>> make_twins(const TwinSettings& settings, rte_mempool* packets,
                                                      size_t workers, std::vector<std::string>& warnings);

/// MTU, addresses, up: on an interface that exists.
Status configure_twin(const TwinSettings& settings);

/// The NIC's link, which the twin's interface `index` shows as its own, so that routing daemons see it.
Status set_carrier(int index, bool up);

/// The interface's MTU, in bytes.
Status set_mtu(int index, uint32_t mtu);

}  // namespace culvert::drivers
