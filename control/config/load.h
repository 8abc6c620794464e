// culvert.toml and all it names, in one step.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control/config/appliance.h"
#include "control/config/diagnostic.h"
#include "control/config/file_loader.h"
#include "control/config/server_config.h"
#include "dataplane/abi/setup.h"

namespace culvert::config {

struct Configuration {
  Appliance appliance;
  std::vector<ServerConfig> servers;  ///< one per [[openvpn]] block, at least one

  // What both files have a say in, decided:
  abi::OpenTun tun{};  ///< name, MTU, queue length, our addresses
  std::string user;    ///< identity of control after its start; empty: stay
  std::string group;
  openvpn::LogLevel log_level = openvpn::LogLevel::kInfo;
};

/// Reads culvert.toml at `path` and its server.conf. Nothing when the report has an error.
std::optional<Configuration> load(const std::string& path, FileLoader& loader, Report& report);

/// Makes the TLS context of `server`: here at the latest, a broken certificate or key shows.
void make_tls(ServerConfig& server, Report& report);

}  // namespace culvert::config
