// What libxdp and libbpf print.
#pragma once

namespace culvert::drivers {

/// From now on the two libraries print what went wrong, and not what they do without: sections of their own programs
/// that one of them does not know, and the dispatcher, which a port that has its interface for itself has no use for.
/// Only for programs that link the DPDK drivers.
void quiet_xdp_libraries();

}  // namespace culvert::drivers
