// A new configuration for a running gateway: what can be taken over now, and what waits for a restart.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "control/config/load.h"

namespace culvert::gateway {

struct ReloadReport {
  std::vector<std::string> applied;        ///< what changed and is in force now: directives, "contents of FILE"
  std::vector<std::string> needs_restart;  ///< what changed and is not
  std::vector<std::string> warnings;       ///< findings of the configuration, one per line
  size_t ended = 0;                        ///< sessions that the new configuration has no place for

  nlohmann::ordered_json to_json() const;
  /// One line for the log.
  std::string summary() const;
};

/// Tells what differs between two readings of one server's configuration.
void compare(const config::ServerConfig& before, const config::ServerConfig& after, ReloadReport& report);
/// Likewise for what culvert.toml holds.
void compare(const config::Appliance& before, const config::Appliance& after, ReloadReport& report);

/// Do both give out the same addresses?
bool same_pool(const config::ServerConfig& a, const config::ServerConfig& b);

/// Takes from `running` what only a restart can change (sockets, the TUN and its networks), so that `after` describes
/// what will be in force.
void keep_fixed(const config::ServerConfig& running, config::ServerConfig& after);

}  // namespace culvert::gateway
