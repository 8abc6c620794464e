// clients.json: what init was told, and every certificate that was given to a client.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/abi/result.h"

namespace culvert::pki {

struct RegistryEntry {
  std::string name;
  std::string serial;  ///< decimal
  std::chrono::sys_seconds created{};
  std::chrono::sys_seconds expires{};
  std::optional<std::chrono::sys_seconds> revoked;
};

struct Registry {
  std::string host;
  uint16_t port = 1194;
  std::vector<RegistryEntry> clients;  ///< in the order of their making

  /// The entry of that name that is not revoked; a name has at most one.
  RegistryEntry* live(std::string_view name);
};

inline constexpr std::string_view kRegistryFile = "clients.json";

/// An error names what is wrong in the text.
Result<Registry> parse_registry(std::string_view text);
std::string write_registry(const Registry& registry);

}  // namespace culvert::pki
