// What a TUN queue has of offloads: super-packets instead of packets, both ways (drivers/offload/vnet_header.h).
#pragma once

#include "drivers/offload/vnet_header.h"

namespace culvert::drivers {

/// IFF_VNET_HDR when the kernel knows it, else 0: to be ORed into the flags of TUNSETIFF. `clone`: /dev/net/tun,
/// opened.
short vnet_header_flag(int clone);

/// Turns on what the kernel has, for a queue that was attached with `flags`. Also for queues of a device that has them
/// on already.
offload::TunOffloads turn_on_offloads(int queue, short flags);

}  // namespace culvert::drivers
