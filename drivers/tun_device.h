// Makes and configures the kernel's TUN device. Needs CAP_NET_ADMIN. Not for a poll loop: netlink round trips.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/abi/endpoint.h"
#include "dataplane/abi/result.h"
#include "dataplane/abi/setup.h"
#include "dataplane/packet.h"
#include "drivers/file_descriptor.h"
#include "drivers/offload/vnet_header.h"
#include "drivers/tun_losses.h"

namespace culvert::drivers {

inline constexpr uint32_t kMinTunMtu = 576;       ///< bytes; every IPv4 host must take that much (RFC 1122, 3.3.2)
inline constexpr uint32_t kMinTunMtuIpv6 = 1280;  ///< likewise for IPv6 (RFC 8200, 5)
inline constexpr uint32_t kMaxTunMtu = 9000;      ///< what jumbo frames carry; buffers have to be made for it

struct TunSettings {
  std::string name;              ///< empty, or with one %d: the kernel chooses
  uint32_t mtu = 1500;           ///< bytes
  uint32_t tx_queue_length = 0;  ///< packets; 0: the kernel's default
  std::vector<abi::TunAddress> addresses;
  std::vector<abi::TunRoute> routes;

  friend bool operator==(const TunSettings&, const TunSettings&) = default;
};

struct TunDevice {
  FileDescriptor queue;  ///< non-blocking; the device goes away when its last queue is closed
  std::string name;      ///< as the kernel has it
  offload::TunOffloads offloads;
  std::shared_ptr<TunLosses> losses;  ///< of the whole device, at its first queue; null at the others
};

/// Null when `settings` make sense, else what is wrong, as text for the operator.
Status check_tun(const TunSettings& settings);

/// Makes the device, without link-local address (a routed tunnel has no use for its router solicitations), gives it
/// addresses and MTU, and brings it up. Errors: no /dev/net/tun, no CAP_NET_ADMIN, name taken, settings that make no
/// sense.
Result<TunDevice> make_tun(const TunSettings& settings);

/// The same with `count` queues, one for each worker. The kernel puts packets of a flow into the queue that last sent
/// one of that flow (tun.c, tun_automq_select_queue), so that a flow stays with its session's worker.
Result<std::vector<TunDevice>> make_tun_queues(const TunSettings& settings, size_t count);

/// Goes on with the queues of a device that make_tun_queues() has made for as many workers, perhaps in another process,
/// and brings it to `settings`. Error: they are not what it would make, as when the device was deleted meanwhile.
Result<std::vector<TunDevice>> adopt_tun_queues(const TunSettings& settings, std::vector<FileDescriptor> queues);

/// Brings the existing device `name` to `settings`: MTU, queue length, exactly these addresses and routes, up. The name
/// in `settings` is not looked at.
Status configure_tun(const std::string& name, const TunSettings& settings);

/// Puts addresses and routes of `settings` back that the device `name`, which is up, does not have any more. Leaves
/// everything else as it is. Returns how many there were.
Result<size_t> restore_tun(const std::string& name, const TunSettings& settings);

}  // namespace culvert::drivers
