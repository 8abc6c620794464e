// One DPDK device, opened and configured: queues, offloads, MTU. Not for a poll loop, except for functions that say so.
#pragma once

#include <rte_mempool.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dataplane/abi/result.h"
#include "dataplane/wire/ethernet.h"
#include "drivers/nic/device_text.h"
#include "drivers/nic/packet_sockets.h"

struct rte_eth_dev_info;

namespace culvert::drivers {

class EthDevice {
 public:
  /// Probes, configures and starts the device. What queue i receives is put into buffers of packets[i]. EAL runs.
  /// Errors name the device and the way out: not there, not bound to a driver, too few queues, MTU too large.
  static Result<EthDevice> open(const EthDeviceSettings& settings, std::span<rte_mempool* const> packets);
  /// With one pool for all queues.
  static Result<EthDevice> open(const EthDeviceSettings& settings, rte_mempool* packets) {
    return open(settings, std::vector<rte_mempool*>(settings.queues, packets));
  }
  EthDevice(EthDevice&& other) noexcept;
  EthDevice& operator=(EthDevice&&) = delete;
  /// Stops and closes it.
  ~EthDevice();

  uint16_t id() const { return id_; }
  const std::string& device() const { return settings_.device; }
  const std::string& driver() const { return driver_; }
  const wire::MacAddress& mac() const { return mac_; }
  uint32_t mtu() const { return settings_.mtu; }
  bool checks_ip() const { return checks_ip_; }    ///< writes the IPv4 header checksum on tx
  bool checks_udp() const { return checks_udp_; }  ///< likewise UDP
  /// Frames may come from a virtual interface of this machine, with checksums that are not finished.
  bool may_be_partial() const { return may_be_partial_; }
  const std::vector<std::string>& warnings() const { return warnings_; }

  /// Link state as the device reports it. Any thread.
  bool has_link() const;
  /// Packets that the device had no room or no buffer for, or that came out of turn, so far. Any thread, but system
  /// calls with some drivers.
  struct Losses {
    uint64_t missed = 0;       ///< queue full
    uint64_t no_buffer = 0;    ///< mempool empty
    uint64_t rolled_over = 0;  ///< AF_PACKET: put into another queue than their flow's; not lost
  };
  /// None: the device does not answer, perhaps only this time.
  std::optional<Losses> losses() const;

 private:
  EthDevice() = default;
  Status find();
  Status configure(std::span<rte_mempool* const> packets);
  Status check_mtu(const rte_eth_dev_info& info, const rte_mempool* packets) const;
  Status set_up_queues(std::span<rte_mempool* const> packets);

  EthDeviceSettings settings_;
  std::string driver_;
  uint16_t id_ = UINT16_MAX;
  wire::MacAddress mac_{};
  bool checks_ip_ = false;
  bool checks_udp_ = false;
  bool may_be_partial_ = false;
  PacketSockets packet_sockets_;  ///< of AF_PACKET
  std::vector<std::string> warnings_;
};

}  // namespace culvert::drivers
