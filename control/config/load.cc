#include "control/config/load.h"

#include "control/config/openvpn_conf.h"
#include "control/config/plan_together.h"
#include "control/crypto/tls.h"

namespace culvert::config {
namespace {

constexpr size_t kTomlLimit = 1 << 20;

}  // namespace

void make_tls(ServerConfig& server, Report& report) {
  auto context = crypto::TlsContext::make(server.tls);
  if (context) {
    server.settings.tls = *context;
    return;
  }
  const std::string& text = context.error();
  std::string name = text.substr(0, text.find(':'));
  for (const Source& source : server.tls_sources) {
    if (source.name != name) continue;
    return report.error(source.file, source.line,
                        source.path.empty() ? text : name + ": " + source.path + text.substr(name.size()));
  }
  report.error(server.file, 0, text);
}

std::optional<Configuration> load(const std::string& path, FileLoader& loader, Report& report) {
  Result<LoadedFile> toml = loader.load(path, kTomlLimit);
  if (!toml) {
    report.error(path, 0, toml.error() + "; `culvert init` makes a configuration");
    return std::nullopt;
  }
  Configuration made;
  made.appliance = parse_appliance(toml->bytes, path, report);
  for (const OpenvpnBlock& block : made.appliance.openvpn) {
    if (block.config.empty()) continue;  // reported already
    Result<LoadedFile> conf = loader.load(block.config, kConfLimit);
    if (!conf) {
      report.error(path, block.line, "[[openvpn]] config " + block.config + ": " + conf.error());
      continue;
    }
    made.servers.push_back(parse_openvpn(conf->bytes, block.config, loader, report));
    made.servers.back().limits.rate = made.appliance.client_limit;
  }
  if (!report.ok() || made.servers.empty()) return std::nullopt;

  for (ServerConfig& server : made.servers) make_tls(server, report);
  plan_together(made, report);
  if (!report.ok()) return std::nullopt;
  return made;
}

}  // namespace culvert::config
