#include "control/config/load.h"

#include <algorithm>
#include <cstring>

#include "control/config/openvpn_conf.h"
#include "control/crypto/tls.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::config {
namespace {

constexpr size_t kTomlLimit = 1 << 20;
constexpr size_t kConfLimit = 4 << 20;

void plan_tun(Configuration& made) {
  const Appliance& appliance = made.appliance;
  openvpn::ServerSettings& settings = made.servers[0].settings;
  const ServerConfig& server = made.servers[0];
  std::string name = !server.dev_name.empty() ? server.dev_name : std::string(kDefaultTunName);
  if (appliance.tun_name) name = *appliance.tun_name;
  std::memcpy(made.tun.name.data(), name.data(), std::min(name.size(), made.tun.name.size() - 1));
  made.tun.mtu = settings.tun_mtu;
  made.tun.tx_queue_length =
      appliance.tun_tx_queue_length.value_or(server.tun_tx_queue_length.value_or(kDefaultTxQueueLength));
  size_t next = 0;
  for (const ServerConfig& one : made.servers) {
    if (one.pool4) made.tun.addresses[next++] = {abi::ipv4(one.pool4->gateway), one.pool4->prefix};
    if (one.pool6) made.tun.addresses[next++] = {abi::ipv6(one.pool6->gateway), one.pool6->prefix};
  }
}

/// culvert.toml's MTU goes first, but it must not be another one than clients are told.
void settle_mtu(Configuration& made, Report& report) {
  if (!made.appliance.tun_mtu) return;
  openvpn::ServerSettings& settings = made.servers[0].settings;
  uint32_t wanted = *made.appliance.tun_mtu;
  if (settings.tun_mtu != wanted && settings.tun_mtu != 1500) {
    report.error(made.appliance.file, 0,
                 "[tun] mtu is " + std::to_string(wanted) + ", but " + made.servers[0].file + " says tun-mtu " +
                     std::to_string(settings.tun_mtu) + ": remove one of them");
  }
  if (made.servers[0].pool6 && wanted < 1280) {
    report.error(made.appliance.file, 0, "[tun] mtu: IPv6 needs at least 1280 (RFC 8200, section 5)");
  }
  settings.tun_mtu = static_cast<uint16_t>(wanted);
}

void check_limits(Configuration& made, Report& report) {
  openvpn::ServerSettings& settings = made.servers[0].settings;
  if (settings.max_clients <= made.appliance.sessions) return;
  report.warning(made.appliance.file, 0,
                 "max-clients of " + made.servers[0].file + " is " + std::to_string(settings.max_clients) +
                     ", but there is room for " + std::to_string(made.appliance.sessions) +
                     " sessions: that is the limit; raise [dataplane] sessions");
  settings.max_clients = made.appliance.sessions;
}

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
  if (made.appliance.openvpn.size() > 1) {
    report.error(path, made.appliance.openvpn[1].line,
                 "[[openvpn]]: a second one is not supported in this version: remove it");
  }
  for (const OpenvpnBlock& block : made.appliance.openvpn) {
    if (block.config.empty()) continue;  // reported already
    Result<LoadedFile> conf = loader.load(block.config, kConfLimit);
    if (!conf) {
      report.error(path, block.line, "[[openvpn]] config " + block.config + ": " + conf.error());
      continue;
    }
    made.servers.push_back(parse_openvpn(conf->bytes, block.config, loader, report));
  }
  if (!report.ok() || made.servers.size() != 1) return std::nullopt;

  ServerConfig& server = made.servers[0];
  make_tls(server, report);
  settle_mtu(made, report);
  check_limits(made, report);
  plan_tun(made);
  made.user = made.appliance.user.empty() ? server.user : made.appliance.user;
  made.group = made.appliance.group.empty() ? server.group : made.appliance.group;
  made.log_level = made.appliance.log_level.value_or(server.log_level.value_or(openvpn::LogLevel::kInfo));
  if (!report.ok()) return std::nullopt;
  return made;
}

}  // namespace culvert::config
