// A NIC port as the command line has it: "DEVICE[;name=NAME][;mtu=BYTES][;address=IP/PREFIX]…". A semicolon, because
// DPDK's device texts have commas of their own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/abi/result.h"
#include "dataplane/abi/setup.h"

namespace culvert::dataplane {

struct NicOptions {
  std::string device;  ///< as DPDK has it: "0000:3b:00.0", "net_af_xdp0,iface=eth1"
  std::string name;    ///< of its interface in the kernel
  uint32_t mtu = 1500;
  std::vector<abi::TunAddress> addresses;
};

inline constexpr uint32_t kMinNicMtu = 1280;  ///< bytes; IPv6 needs that much (RFC 8200, section 5)
inline constexpr uint32_t kMaxNicMtu = 9216;

/// Reads one port. `number`: the default name is "nic" and this. Error: what is wrong, for the operator.
Result<NicOptions> parse_nic_options(std::string_view text, size_t number);

}  // namespace culvert::dataplane
