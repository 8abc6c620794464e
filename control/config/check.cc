#include "control/config/check.h"

#include <algorithm>

#include "control/config/directive.h"
#include "control/config/load.h"
#include "control/config/openvpn_conf.h"
#include "control/config/written_files.h"
#include "control/crypto/tls.h"

namespace culvert::config {
namespace {

CheckedDirective judge(const Said& said, const Report& report) {
  CheckedDirective checked{said.file, said.line, said.name, said.arguments, "honoured", ""};
  const Directive* directive = find_directive(said.name);
  if (directive != nullptr) checked.note = directive->note;
  if (directive != nullptr && directive->fate == Fate::kHarmless) checked.verdict = "warning";
  for (const Diagnostic& found : report.all()) {
    if (found.line != said.line || found.file != said.file) continue;
    bool error = found.severity == Severity::kError;
    if (checked.verdict == "refused" && !error) continue;
    checked.verdict = error ? "refused" : "warning";
    checked.note = found.text;
    std::string prefix = said.name + ": ";
    if (checked.note.starts_with(prefix)) checked.note.erase(0, prefix.size());
  }
  return checked;
}

/// The servers of a culvert.toml, also when something is wrong with it. load() reports the findings.
std::vector<ServerConfig> servers_of(const std::string& path, FileLoader& loader) {
  std::vector<ServerConfig> servers;
  Report reported;
  Result<LoadedFile> toml = loader.load(path, kConfLimit);
  if (!toml) return servers;
  for (const OpenvpnBlock& block : parse_appliance(toml->bytes, path, reported).openvpn) {
    Result<LoadedFile> conf = loader.load(block.config, kConfLimit);
    if (conf) servers.push_back(parse_openvpn(conf->bytes, block.config, loader, reported));
  }
  return servers;
}

void warn_of_certificates(const ServerConfig& server, std::chrono::sys_seconds wall, Report& report) {
  if (!server.settings.tls) return;
  for (const std::string& text : server.settings.tls->warnings(wall)) report.warning(server.file, 0, text);
}

}  // namespace

Check check(const std::string& path, FileLoader& loader, std::chrono::sys_seconds wall) {
  Check made;
  std::vector<ServerConfig>& servers = made.servers;
  if (path.ends_with(".toml")) {
    if (auto loaded = load(path, loader, made.report)) {
      for (const ServerConfig& server : loaded->servers) warn_of_certificates(server, wall, made.report);
      made.user = loaded->user;
      made.group = loaded->group;
    }
    servers = servers_of(path, loader);
  } else {
    Result<LoadedFile> conf = loader.load(path, kConfLimit);
    if (conf) {
      servers.push_back(parse_openvpn(conf->bytes, path, loader, made.report));
      if (made.report.ok()) make_tls(servers[0], made.report);
      warn_of_certificates(servers[0], wall, made.report);
      made.user = servers[0].user;
      made.group = servers[0].group;
    } else {
      made.report.error(path, 0, conf.error());
    }
  }
  for (const ServerConfig& server : servers) look_for_folders(server, loader, made.report);
  for (const ServerConfig& server : servers)
    for (const Said& said : server.said) made.directives.push_back(judge(said, made.report));
  return made;
}

}  // namespace culvert::config
