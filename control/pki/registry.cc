#include "control/pki/registry.h"

#include <nlohmann/json.hpp>

namespace culvert::pki {
namespace {

using nlohmann::json;
using std::chrono::sys_seconds;

constexpr int kVersion = 1;

int64_t to_count(sys_seconds time) {
  return time.time_since_epoch().count();
}

sys_seconds to_time(const json& value) {
  return sys_seconds(std::chrono::seconds(value.get<int64_t>()));
}

bool decimal(std::string_view text) {
  return !text.empty() && text.size() <= 64 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// Throws json::exception where the form is not right.
Registry from_json(const json& root) {
  Registry registry;
  registry.host = root.at("host").get<std::string>();
  registry.port = root.at("port").get<uint16_t>();
  for (const json& item : root.at("clients")) {
    RegistryEntry entry{item.at("name").get<std::string>(), item.at("serial").get<std::string>(),
                        to_time(item.at("created")), to_time(item.at("expires")), std::nullopt};
    if (item.contains("revoked")) entry.revoked = to_time(item.at("revoked"));
    registry.clients.push_back(std::move(entry));
  }
  return registry;
}

}  // namespace

RegistryEntry* Registry::live(std::string_view name) {
  for (RegistryEntry& entry : clients) {
    if (entry.name == name && !entry.revoked) return &entry;
  }
  return nullptr;
}

Result<Registry> parse_registry(std::string_view text) {
  try {
    json root = json::parse(text);
    if (root.at("version") != kVersion) return Error{"made by another version of culvert"};
    Registry registry = from_json(root);
    for (const RegistryEntry& entry : registry.clients) {
      if (!decimal(entry.serial)) return Error{"the serial of '" + entry.name + "' is not a number"};
    }
    return registry;
  } catch (const json::exception& problem) {  // the library reports in no other way; ends here
    return Error{std::string("damaged: ") + problem.what()};
  }
}

std::string write_registry(const Registry& registry) {
  json clients = json::array();
  for (const RegistryEntry& entry : registry.clients) {
    json item = {{"name", entry.name},
                 {"serial", entry.serial},
                 {"created", to_count(entry.created)},
                 {"expires", to_count(entry.expires)}};
    if (entry.revoked) item["revoked"] = to_count(*entry.revoked);
    clients.push_back(std::move(item));
  }
  json root = {
      {"version", kVersion}, {"host", registry.host}, {"port", registry.port}, {"clients", std::move(clients)}};
  return root.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace culvert::pki
