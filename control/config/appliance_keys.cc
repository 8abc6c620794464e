#include "control/config/appliance_keys.h"

#include <net/if.h>

#include <algorithm>

#include "control/config/arguments.h"
#include "control/config/bit_rate.h"
#include "control/config/file_loader.h"
#include "dataplane/abi/endpoint_text.h"
#include "dataplane/abi/layout.h"

namespace culvert::config {
namespace {

constexpr uint32_t kMaxCore = 1023;
constexpr uint32_t kMaxSessions = 1 << 20;

bool is_interface_name(const std::string& text) {
  return !text.empty() && text.size() < IFNAMSIZ && text.find_first_of("/: \t\r\n%;") == std::string::npos &&
         text != "." && text != "..";
}

/// "192.0.2.1/24"
bool is_interface_address(const std::string& text) {
  size_t slash = text.find('/');
  if (slash == std::string::npos) return false;
  auto address = abi::parse_ip(text.substr(0, slash));
  std::string digits = text.substr(slash + 1);
  bool number = !digits.empty() && digits.size() <= 3 && digits.find_first_not_of("0123456789") == std::string::npos;
  if (!address || !number) return false;
  int length = std::stoi(digits);
  return length >= 1 && length <= (address->family == abi::Family::kIpv4 ? 32 : 128);
}

std::optional<std::string> text_of(const Reading& reading, const Value& value) {
  if (auto text = value.node.value_exact<std::string>()) {
    if (text->find('\0') == std::string::npos) return text;
  }
  reading.error(value.node, value.path + ": must be a text in double quotes");
  return std::nullopt;
}

std::optional<uint32_t> number_of(const Reading& reading, const Value& value, uint32_t least, uint32_t most) {
  auto number = value.node.value_exact<int64_t>();
  if (number && *number >= least && *number <= most) return static_cast<uint32_t>(*number);
  reading.error(value.node,
                value.path + ": must be a number from " + std::to_string(least) + " to " + std::to_string(most));
  return std::nullopt;
}

void read_run_dir(const Reading& reading, const Value& value) {
  auto text = text_of(reading, value);
  if (text && text->empty()) return reading.error(value.node, value.path + ": must name a folder");
  if (text) reading.appliance.run_dir = join_path(folder_of(reading.appliance.file), *text);
}

void read_workers(const Reading& reading, const Value& value) {
  const toml::array* list = value.node.as_array();
  std::string wanted = value.path + ": must be a list of core numbers such as [1]";
  if (list == nullptr) return reading.error(value.node, wanted);
  if (list->empty())
    return reading.error(value.node, value.path + ": is empty; leave it out for one worker on any core");
  if (list->size() > abi::kMaxWorkers) {
    return reading.error(value.node,
                         value.path + ": at most " + std::to_string(abi::kMaxWorkers) + " cores, one worker on each");
  }
  for (const toml::node& node : *list) {
    auto core = number_of(reading, {node, value.path}, 0, kMaxCore);
    if (!core) return;
    if (std::ranges::find(reading.appliance.workers, *core) != reading.appliance.workers.end())
      return reading.error(node,
                           value.path + ": core " + std::to_string(*core) + " stands there twice: one worker on each");
    reading.appliance.workers.push_back(*core);
  }
}

void read_sessions(const Reading& reading, const Value& value) {
  if (auto n = number_of(reading, value, 1, kMaxSessions)) reading.appliance.sessions = *n;
}

void read_huge(const Reading& reading, const Value& value) {
  auto text = text_of(reading, value);
  if (!text) return;
  if (*text != "auto" && *text != "off")
    return reading.error(value.node, value.path + ": must be \"auto\" or \"off\", not \"" + *text + "\"");
  reading.appliance.huge = *text == "auto" ? HugePages::kAuto : HugePages::kOff;
}

void read_tun_name(const Reading& reading, const Value& value) {
  auto text = text_of(reading, value);
  if (!text) return;
  if (!is_interface_name(*text))
    return reading.error(value.node,
                         value.path + ": \"" + *text + "\" can't be the name of an interface (at most 15 characters)");
  reading.appliance.tun_name = *text;
}

void read_tun_mtu_key(const Reading& reading, const Value& value) {
  if (auto n = number_of(reading, value, kSmallestTunMtu, kLargestTunMtu)) reading.appliance.tun_mtu = *n;
}

void read_tun_queue(const Reading& reading, const Value& value) {
  if (auto n = number_of(reading, value, 1, 1000000)) reading.appliance.tun_tx_queue_length = *n;
}

void read_user_key(const Reading& reading, const Value& value) {
  if (auto text = text_of(reading, value)) reading.appliance.user = *text;
}

void read_group_key(const Reading& reading, const Value& value) {
  if (auto text = text_of(reading, value)) reading.appliance.group = *text;
}

void read_hook_timeout(const Reading& reading, const Value& value) {
  if (auto n = number_of(reading, value, 1, 3600)) reading.appliance.hook_timeout = std::chrono::seconds(*n);
}

void read_hook_processes(const Reading& reading, const Value& value) {
  if (auto n = number_of(reading, value, 1, 4096)) reading.appliance.hook_processes = *n;
}

void read_limit(const Reading& reading, const Value& value, uint64_t& limit) {
  auto text = text_of(reading, value);
  if (!text) return;
  auto bits = parse_bit_rate(*text);
  if (!bits) return reading.error(value.node, value.path + ": " + bits.error());
  limit = *bits;
}

void read_limit_in(const Reading& reading, const Value& value) {
  read_limit(reading, value, reading.appliance.client_limit.from_client);
}

void read_limit_out(const Reading& reading, const Value& value) {
  read_limit(reading, value, reading.appliance.client_limit.to_client);
}

void read_level(const Reading& reading, const Value& value) {
  auto text = text_of(reading, value);
  if (!text) return;
  using openvpn::LogLevel;
  constexpr std::pair<std::string_view, LogLevel> kLevels[] = {{"debug", LogLevel::kDebug},
                                                               {"info", LogLevel::kInfo},
                                                               {"warning", LogLevel::kWarning},
                                                               {"error", LogLevel::kError}};
  for (const auto& [name, level] : kLevels) {
    if (*text == name) reading.appliance.log_level = level;
  }
  if (!reading.appliance.log_level) {
    reading.error(value.node,
                  value.path + ": must be \"debug\", \"info\", \"warning\" or \"error\", not \"" + *text + "\"");
  }
}

void read_openvpn_config(const Reading& reading, const Value& value) {
  auto text = text_of(reading, value);
  if (text && text->empty()) return reading.error(value.node, value.path + ": must name a server.conf");
  if (text) reading.appliance.openvpn.back().config = join_path(folder_of(reading.appliance.file), *text);
}

void read_port_device(const Reading& reading, const Value& value) {
  auto text = text_of(reading, value);
  if (text && (text->empty() || text->find_first_of(";\r\n") != std::string::npos))
    return reading.error(value.node, value.path +
                                         ": must be a DPDK device such as \"0000:3b:00.0\" or "
                                         "\"net_af_xdp0,iface=eth1\"");
  if (text) reading.appliance.ports.back().device = *text;
}

void read_port_name(const Reading& reading, const Value& value) {
  auto text = text_of(reading, value);
  if (text && !is_interface_name(*text))
    return reading.error(value.node,
                         value.path + ": \"" + *text + "\" can't be the name of an interface (at most 15 characters)");
  if (text) reading.appliance.ports.back().name = *text;
}

void read_port_mtu(const Reading& reading, const Value& value) {
  if (auto n = number_of(reading, value, 1280, 9216)) reading.appliance.ports.back().mtu = *n;
}

void read_port_addresses(const Reading& reading, const Value& value) {
  const toml::array* list = value.node.as_array();
  if (list == nullptr)
    return reading.error(value.node, value.path + ": must be a list such as [\"192.0.2.1/24\", \"2001:db8::1/64\"]");
  for (const toml::node& node : *list) {
    auto text = text_of(reading, {node, value.path});
    if (!text) return;
    if (!is_interface_address(*text))
      return reading.error(node, value.path + ": \"" + *text +
                                     "\" is no address with a prefix length, such as 192.0.2.1/24 or 2001:db8::1/64");
    reading.appliance.ports.back().addresses.push_back(*text);
  }
}

constexpr Key kKeys[] = {{"", "run_dir", read_run_dir},
                         {"dataplane", "workers", read_workers},
                         {"dataplane", "sessions", read_sessions},
                         {"dataplane", "huge", read_huge},
                         {"tun", "name", read_tun_name},
                         {"tun", "mtu", read_tun_mtu_key},
                         {"tun", "txqueuelen", read_tun_queue},
                         {"control", "user", read_user_key},
                         {"control", "group", read_group_key},
                         {"control", "hook_timeout", read_hook_timeout},
                         {"control", "hook_processes", read_hook_processes},
                         {"clients", "limit_in", read_limit_in},
                         {"clients", "limit_out", read_limit_out},
                         {"log", "level", read_level},
                         {"port", "device", read_port_device},
                         {"port", "name", read_port_name},
                         {"port", "mtu", read_port_mtu},
                         {"port", "addresses", read_port_addresses},
                         {"openvpn", "config", read_openvpn_config}};

}  // namespace

std::span<const Key> appliance_keys() {
  return kKeys;
}

}  // namespace culvert::config
