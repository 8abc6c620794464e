// What an operator should look at although the gateway runs: it is in the log, and in `culvert status`.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "control/config/server_config.h"

namespace culvert::gateway {

/// Does this machine pass packets on from one interface to another?
struct Forwarding {
  bool ip4 = true;
  bool ip6 = true;
};

/// As the kernel says of our network namespace. A switch that can't be read counts as on: nobody is warned on a guess.
Forwarding kernel_forwarding();

/// One text per concern, in the order of `servers`: certificates and lists that have expired or soon will, and pushed
/// routes to networks behind a machine that does not forward. `servers` have their TLS contexts.
std::vector<std::string> concerns(const std::vector<const config::ServerConfig*>& servers, const Forwarding& forwarding,
                                  std::chrono::sys_seconds wall);

}  // namespace culvert::gateway
