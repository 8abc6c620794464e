// What control asked for in the words of the drivers.
#pragma once

#include <cstdint>
#include <variant>

#include "dataplane/abi/setup.h"
#include "drivers/tcp_socket.h"
#include "drivers/tun_device.h"
#include "drivers/udp_socket.h"

namespace culvert::dataplane {

/// Of an outer port; empty: there is none.
using OuterSettings = std::variant<std::monostate, drivers::UdpSettings, drivers::TcpSettings>;

/// `request` is valid. `is_shared`: there will be a socket for each of several workers.
OuterSettings settings_of(const abi::OpenPort& request, bool is_shared);
/// `request` is valid.
drivers::TunSettings settings_of(const abi::OpenTun& request);

/// Port that the settings' socket is bound to; 0: none.
uint16_t local_port(const OuterSettings& settings);
/// Is it the same port, perhaps with other options?
bool is_same_port(const OuterSettings& a, const OuterSettings& b);
/// May its packets come from a NIC directly? Sockets that a rule of routing or a device binds are the kernel's alone:
/// the NICs' routes know of neither.
bool takes_from_nics(const drivers::UdpSettings& settings);

}  // namespace culvert::dataplane
