#include "control/config/appliance.h"

#include <net/if.h>
#include <toml++/toml.h>

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

struct Reading {
  Appliance& appliance;
  Report& report;

  void error(const toml::node& node, std::string text) const {
    report.error(appliance.file, node.source().begin.line, std::move(text));
  }
};

/// One value while it is read: the node and "[section] key" for messages.
struct Value {
  const toml::node& node;
  std::string path;
};

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

struct Key {
  std::string_view section;  ///< empty: top of the file
  std::string_view name;
  void (*read)(const Reading&, const Value&);
};
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
constexpr std::string_view kSections[] = {"dataplane", "tun", "control", "clients", "log", "port", "openvpn"};
/// Sections that later versions have.
constexpr std::string_view kLater[] = {"wireguard", "metrics"};

std::string hint(std::string_view word, const std::vector<std::string_view>& known) {
  std::string_view near = nearest(word, known);
  return near.empty() ? "" : ": did you mean " + std::string(near) + "?";
}

void read_key(const Reading& reading, std::string_view section, std::string_view name, const toml::node& node) {
  std::string shown = section.empty() ? std::string(name) : "[" + std::string(section) + "] " + std::string(name);
  std::vector<std::string_view> known;
  for (const Key& key : kKeys) {
    if (key.section != section) continue;
    if (key.name == name) return key.read(reading, {node, shown});
    known.push_back(key.name);
  }
  reading.error(node, shown + ": no such key" + hint(name, known));
}

/// `[[section]]` once or more: `begin` makes a block, whose keys are read then; `required` must be among them.
void read_blocks(const Reading& reading, const toml::node& node, const std::string& section, std::string_view required,
                 void (*begin)(Appliance&, uint32_t line)) {
  const toml::array* blocks = node.as_array();
  if (blocks == nullptr || !blocks->is_homogeneous(toml::node_type::table)) {
    return reading.error(node, section + ": write it with two brackets: [[" + section + "]]");
  }
  for (const toml::node& block : *blocks) {
    begin(reading.appliance, block.source().begin.line);
    for (const auto& [key, value] : *block.as_table()) read_key(reading, section, key.str(), value);
    std::string_view key = required.substr(0, required.find(' '));
    if (!block.as_table()->contains(key)) reading.error(block, "[[" + section + "]]: needs " + std::string(required));
  }
}

/// Ports without a name get one; no two may have the same name or device.
void finish_ports(Appliance& appliance, Report& report) {
  for (size_t i = 0; i < appliance.ports.size(); ++i) {
    PortBlock& port = appliance.ports[i];
    if (port.name.empty()) port.name = "nic" + std::to_string(i);
    for (size_t j = 0; j < i; ++j)
      if (appliance.ports[j].name == port.name || appliance.ports[j].device == port.device)
        report.error(
            appliance.file, port.line,
            "[[port]]: has the name or the device of the one in line " + std::to_string(appliance.ports[j].line));
  }
}

void read_top(const Reading& reading, std::string_view name, const toml::node& node) {
  if (name == "openvpn")
    return read_blocks(reading, node, "openvpn", "config = \"server.conf\"", [](Appliance& made, uint32_t line) {
      made.openvpn.push_back({"", line});
    });
  if (name == "port")
    return read_blocks(reading, node, "port", "device = \"0000:3b:00.0\"",
                       [](Appliance& made, uint32_t line) { made.ports.emplace_back().line = line; });
  bool section = std::ranges::find(kSections, name) != std::end(kSections);
  if (section) {
    if (!node.is_table())
      return reading.error(node, std::string(name) + ": is a section: write [" + std::string(name) + "]");
    for (const auto& [key, value] : *node.as_table()) read_key(reading, name, key.str(), value);
    return;
  }
  if (std::ranges::find(kLater, name) != std::end(kLater)) {
    return reading.error(node, "[" + std::string(name) + "]: not supported in this version: remove it");
  }
  bool is_section = node.is_table() || node.is_array_of_tables();
  if (!is_section) return read_key(reading, "", name, node);
  reading.error(
      node, "[" + std::string(name) + "]: no such section" + hint(name, {std::begin(kSections), std::end(kSections)}));
}

}  // namespace

Appliance parse_appliance(std::string_view text, const std::string& file, Report& report) {
  Appliance appliance;
  appliance.file = file;
  toml::table parsed;
  try {
    parsed = toml::parse(text, file);
  } catch (const toml::parse_error& problem) {  // the library as Debian builds it reports in no other way
    std::string why(problem.description());
    // Whoever names the server.conf itself reads else only of tables and whitespace.
    if (!file.ends_with(".toml"))
      why += "; this should be a culvert.toml, which names the server.conf: [[openvpn]] and below it config = \"" +
             file.substr(file.rfind('/') + 1) + "\"";
    report.error(file, problem.source().begin.line, std::move(why));
    return appliance;
  }
  Reading reading{appliance, report};
  for (const auto& [key, node] : parsed) read_top(reading, key.str(), node);
  finish_ports(appliance, report);
  if (!parsed.contains("openvpn")) {
    report.error(file, 0, "nothing to serve: add [[openvpn]] with config = \"server.conf\"");
  }
  return appliance;
}

}  // namespace culvert::config
