// A DPDK device as its text names it, "net_af_xdp0,iface=eth1": what the text says, what it leaves to us to complete,
// and what the operator is told when DPDK does not take it. No device is touched here.
#pragma once

#include <cstdint>
#include <string>

#include "dataplane/abi/result.h"

namespace culvert::drivers {

struct EthDeviceSettings {
  std::string device;  ///< as DPDK names it: "0000:3b:00.0", "net_af_xdp0,iface=eth1", with its arguments
  uint32_t mtu = 1500;
  uint16_t queues = 1;           ///< of each direction: one per worker
  bool whole_checksums = false;  ///< of all that is received: without offloads, which may leave some to us
};

/// "net_af_xdp0" of "net_af_xdp0,iface=eth1".
std::string device_name(const std::string& device);
/// The kernel's interface that a device sits on ("iface=eth1"), or an empty text.
std::string kernel_interface_of(const std::string& device);
/// True for "0000:3b:00.0" and "3b:00.0", with or without arguments.
bool is_pci_device(const std::string& device);
bool is_af_packet(const std::string& device);
bool is_af_xdp(const std::string& device);

/// Bytes that a packet buffer must have room for so that the device takes frames of `mtu` bytes, tags and headers
/// included.
uint32_t largest_frame(const std::string& device, uint32_t mtu);

/// The text for DPDK: with a queue for each worker, and at AF_PACKET with places in its rings that hold a frame.
std::string complete_device(const EthDeviceSettings& settings);

/// What is wrong with the text before DPDK is asked: no interface named, or one that is not there.
Status check_device(const EthDeviceSettings& settings);

/// Why DPDK did not open it, and what to do. `error`: what DPDK returned.
std::string probe_error(const std::string& device, int error);
/// Likewise, why it did not start.
std::string start_error(const std::string& device, int error);

/// "port net_af_xdp0: " and `what`.
Error device_error(const std::string& device, const std::string& what);
std::string dpdk_error_text(int error);

}  // namespace culvert::drivers
