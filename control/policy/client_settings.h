// What an operator sets for one client: the lines of its client-config-dir file, and those that client-connect writes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/config/file_loader.h"
#include "control/config/server_config.h"
#include "control/openvpn/settings.h"

namespace culvert::policy {

/// A line that could not be applied.
struct Finding {
  std::string file;
  uint32_t line = 0;  ///< 0: the file as a whole
  std::string text;
};
/// "alice:3: push: …"
std::string to_text(const Finding& finding);

struct ClientSettings {
  struct Static4 {
    std::array<uint8_t, 4> address{};
    uint8_t prefix = 24;             ///< topology subnet
    std::array<uint8_t, 4> peer{};   ///< topology p2p, net30
    std::array<uint8_t, 4> alias{};  ///< what the client is told its address is; 0.0.0.0: the same
  };
  struct Static6 {
    std::array<uint8_t, 16> address{};
    uint8_t prefix = 64;
    std::optional<std::array<uint8_t, 16>> gateway;
  };
  bool disabled = false;
  bool found_own_file = false;  ///< for ccd-exclusive: a file of the client's own name, not DEFAULT
  bool no_ip6 = false;          ///< push-remove ifconfig-ipv6
  std::optional<Static4> ip4;
  std::optional<Static6> ip6;
  std::vector<std::string> push;         ///< what the client is pushed in all, besides what is made for it
  std::vector<abi::InnerPrefix> routes;  ///< iroute, iroute-ipv6
  config::SessionLimits limits;          ///< inactive, session-timeout, limit-in, limit-out
  std::vector<Finding> findings;
};

/// Those of a client without any lines.
ClientSettings settings_for_all(const config::ServerConfig& server);

/// Applies `text`, line by line, to what earlier lines have set. A line that makes no sense is left out and becomes a
/// finding under the name `source` (as in the reference, whose clients get in nevertheless).
void apply_lines(ClientSettings& settings, std::string_view text, const std::string& source,
                 const config::ServerConfig& server, config::FileLoader& loader);

/// Reads DIR/NAME, or DIR/DEFAULT, of client-config-dir; without either nothing changes. `name` is tamed first.
void apply_client_config_dir(ClientSettings& settings, const std::string& name, const config::ServerConfig& server,
                             config::FileLoader& loader);

}  // namespace culvert::policy
