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
#include "dataplane/abi/command.h"

namespace culvert::config {

enum class HugePages : uint8_t { kAuto, kOff };

struct OpenvpnBlock {
  std::string config;  ///< path of the server.conf, relative ones already below culvert.toml's folder
  uint32_t line = 0;
};

/// A NIC port; with one, the gateway is in NIC mode.
struct PortBlock {
  std::string device;  ///< as DPDK has it: "0000:3b:00.0", "net_af_xdp0,iface=eth1"
  std::string name;    ///< of its interface in the kernel; "nic0", "nic1" … when unset
  uint32_t mtu = 1500;
  std::vector<std::string> addresses;  ///< "192.0.2.1/24": for that interface, at the dataplane's start
  uint32_t line = 0;

  bool operator==(const PortBlock& other) const {
    return device == other.device && name == other.name && mtu == other.mtu && addresses == other.addresses;
  }
};

struct Appliance {
  std::string file;  ///< where it was read from
  std::string run_dir = "/run/culvert";
  std::vector<uint32_t> workers;  ///< cores, one worker each; empty: one worker, on whatever core
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
  abi::SessionLimit client_limit{};            ///< of every client that its own file gives no other
  std::optional<openvpn::LogLevel> log_level;  ///< unset: from `verb` of the server.conf
  std::vector<PortBlock> ports;                ///< empty: kernel mode
  std::vector<OpenvpnBlock> openvpn;
};

inline constexpr std::string_view kDefaultTunName = "culvert0";
inline constexpr uint32_t kDefaultTxQueueLength = 1000;

/// Reads the text of a culvert.toml. `file` is its path: named in findings, and its folder is what relative paths count
/// from. The value is only worth using when the report has no error.
Appliance parse_appliance(std::string_view text, const std::string& file, Report& report);

}  // namespace culvert::config
