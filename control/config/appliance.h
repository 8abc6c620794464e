// culvert.toml: what belongs to the appliance. Every key, its type, limits and default stand in appliance.cc's table
// and in conf/README.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/config/diagnostic.h"
#include "control/openvpn/output.h"

namespace culvert::config {

enum class HugePages : uint8_t { kAuto, kOff };

struct OpenvpnBlock {
  std::string config;  ///< path of the server.conf, relative ones already below culvert.toml's folder
  uint32_t line = 0;
};

struct Appliance {
  std::string file;  ///< where it was read from
  std::string run_dir = "/run/culvert";
  std::vector<uint32_t> workers;  ///< cores, one worker each (one in this version); empty: one worker, on whatever core
                                  ///< the kernel chooses
  uint32_t sessions = 4096;       ///< size of the session table
  HugePages huge = HugePages::kAuto;
  std::optional<std::string> tun_name;  ///< unset: `dev tunN` of the server.conf, else kDefaultTunName
  std::optional<uint32_t> tun_mtu;      ///< unset: tun-mtu of the server.conf
  std::optional<uint32_t>
      tun_tx_queue_length;  ///< packets; unset: txqueuelen of the server.conf, else kDefaultTxQueueLength
  std::string user;         ///< control runs as this after its start; empty: `user` of the server.conf, else no change
  std::string group;
  std::chrono::seconds hook_timeout{60};       ///< a script that is not done by then is killed
  uint32_t hook_processes = 128;               ///< scripts that run at once
  std::optional<openvpn::LogLevel> log_level;  ///< unset: from `verb` of the server.conf
  std::vector<OpenvpnBlock> openvpn;
};

inline constexpr std::string_view kDefaultTunName = "culvert0";
inline constexpr uint32_t kDefaultTxQueueLength = 1000;

/// Reads the text of a culvert.toml. `file` is its path: named in findings, and its folder is what relative paths count
/// from. The value is only worth using when the report has no error.
Appliance parse_appliance(std::string_view text, const std::string& file, Report& report);

}  // namespace culvert::config
