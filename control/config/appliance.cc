#include "control/config/appliance.h"

#include <toml++/toml.h>

#include <algorithm>
#include <utility>

#include "control/config/appliance_keys.h"
#include "control/config/arguments.h"

namespace culvert::config {
namespace {

constexpr std::string_view kSections[] = {"dataplane", "tun", "control", "clients", "log", "port", "openvpn"};
/// Sections that other versions, or other programs of this one, have: and what to do instead.
constexpr std::pair<std::string_view, std::string_view> kNoSections[] = {
    {"wireguard", "not supported in this version: remove it"},
    {"metrics", "there is no such section: `culvert metrics --listen 127.0.0.1:9194` serves them"}};

std::string hint(std::string_view word, const std::vector<std::string_view>& known) {
  std::string_view near = nearest(word, known);
  return near.empty() ? "" : ": did you mean " + std::string(near) + "?";
}

void read_key(const Reading& reading, std::string_view section, std::string_view name, const toml::node& node) {
  std::string shown = section.empty() ? std::string(name) : "[" + std::string(section) + "] " + std::string(name);
  std::vector<std::string_view> known;
  for (const Key& key : appliance_keys()) {
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
  for (const auto& [section_name, instead] : kNoSections)
    if (section_name == name) return reading.error(node, "[" + std::string(name) + "]: " + std::string(instead));
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
