// The keys of culvert.toml, each with how its value is read.
#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "control/config/appliance.h"

namespace culvert::config {

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

struct Key {
  std::string_view section;  ///< empty: top of the file
  std::string_view name;
  void (*read)(const Reading&, const Value&);
};
/// All there are.
std::span<const Key> appliance_keys();

}  // namespace culvert::config
