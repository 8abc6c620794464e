// What a configuration would do, without doing it: `culvert config check FILE`.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "control/config/diagnostic.h"
#include "control/config/file_loader.h"
#include "control/config/server_config.h"

namespace culvert::config {

struct CheckedDirective {
  std::string file;
  uint32_t line = 0;
  std::string name;
  std::string arguments;  ///< blocks are not shown: they may hold keys
  std::string verdict;    ///< "honoured", "warning" (honoured, or skipped as harmless), "refused"
  std::string note;       ///< of the finding, else what the list of directives says
};

struct Check {
  std::vector<CheckedDirective> directives;
  Report report;
  std::vector<ServerConfig> servers;  ///< as far as they could be read
  std::string user;  ///< that control would become; whether there is one is not looked up here. Empty: no change
  std::string group;
};

/// Reads `path` as the gateway would: a culvert.toml (name ends in .toml) with all it names, else one server.conf.
/// Certificates and keys are loaded and tried, and judged at `wall`.
Check check(const std::string& path, FileLoader& loader, std::chrono::sys_seconds wall);

}  // namespace culvert::config
