#include "control/config/appliance.h"

#include <net/if.h>
#include <toml++/toml.h>

#include <algorithm>

#include "control/config/arguments.h"
#include "control/config/file_loader.h"

namespace culvert::config {
namespace {

constexpr uint32_t kMaxCore = 1023;
constexpr size_t kMaxWorkers = 1;  // what culvert-dataplane runs in this version
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
  if (list->size() > kMaxWorkers) {
    return reading.error(value.node, value.path + ": this version runs one worker: name one core");
  }
  for (const toml::node& node : *list) {
    auto core = number_of(reading, {node, value.path}, 0, kMaxCore);
    if (!core) return;
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
  bool good = !text->empty() && text->size() < IFNAMSIZ && text->find_first_of("/: \t\r\n%") == std::string::npos &&
              *text != "." && *text != "..";
  if (!good)
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
                         {"log", "level", read_level},
                         {"openvpn", "config", read_openvpn_config}};
constexpr std::string_view kSections[] = {"dataplane", "tun", "control", "log", "openvpn"};
/// Sections that later versions have.
constexpr std::string_view kLater[] = {"port", "wireguard", "metrics"};

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

void read_openvpn_blocks(const Reading& reading, const toml::node& node) {
  const toml::array* blocks = node.as_array();
  if (blocks == nullptr || !blocks->is_homogeneous(toml::node_type::table)) {
    return reading.error(node, "openvpn: write it with two brackets: [[openvpn]]");
  }
  for (const toml::node& block : *blocks) {
    reading.appliance.openvpn.push_back({"", block.source().begin.line});
    for (const auto& [key, value] : *block.as_table()) read_key(reading, "openvpn", key.str(), value);
    if (block.as_table()->contains("config")) continue;
    reading.error(block, "[[openvpn]]: needs config = \"server.conf\"");
  }
}

void read_top(const Reading& reading, std::string_view name, const toml::node& node) {
  if (name == "openvpn") return read_openvpn_blocks(reading, node);
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
    report.error(file, problem.source().begin.line, std::string(problem.description()));
    return appliance;
  }
  Reading reading{appliance, report};
  for (const auto& [key, node] : parsed) read_top(reading, key.str(), node);
  if (!parsed.contains("openvpn")) {
    report.error(file, 0, "nothing to serve: add [[openvpn]] with config = \"server.conf\"");
  }
  return appliance;
}

}  // namespace culvert::config
