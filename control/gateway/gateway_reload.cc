// The configuration again, and certificates that are not good any more.
#include <algorithm>

#include "control/gateway/gateway.h"
#include "control/gateway/reload.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::gateway {
namespace {

/// The place of addresses that a client has already, perhaps one that is set for it: so nobody else gets them. Nothing:
/// they lie outside the pool.
std::optional<pool::Lease> lease_again(pool::AddressPool& addresses, const std::string& name,
                                       const openvpn::ClientGrant& grant) {
  auto lease = addresses.adopt(name, grant.ip4, grant.ip6);
  for (const abi::IpAddress& address : {abi::ipv4(grant.ip4), abi::ipv6(grant.ip6)})
    if (!lease && address.family != abi::Family::kNone) lease = addresses.take_exact(name, address).lease;
  return lease;
}

}  // namespace

std::vector<std::string> Gateway::refresh_crls(bool always) {
  std::vector<std::string> errors;
  for (size_t i = 0; i < instances_.size(); ++i) {
    Instance& instance = *instances_[i];
    bool folder_changed = instance.revoked_folder.changed();
    auto change = always ? instance.crl.read_now(loader_) : instance.crl.look(loader_);
    if (change && !change->context) {
      io::log(io::LogLevel::kError, change->error);
      errors.push_back(change->error);
    }
    if (change && change->context) {
      instance.config.settings.tls = change->context;
      io::log(io::LogLevel::kInfo, "read the CRL " + instance.config.crl_file);
      if (instance.server) instance.server->set_settings(instance.config.settings);
    }
    if (always || folder_changed || change) end_revoked(i);
  }
  return errors;
}

size_t Gateway::end_revoked(size_t index) {
  Instance& instance = *instances_[index];
  if (!instance.server) return 0;
  size_t ended = 0;
  for (const openvpn::SessionInfo& session : instance.server->sessions()) {
    const std::string& serial = session.identity.serial;
    if (serial.empty() || !instance.revoked(serial)) continue;
    instance.server->disconnect(session.session, openvpn::Goodbye::kHalt, openvpn::EndReason::kKilled,
                                "certificate " + serial + " is revoked", io::now());
    ++ended;
  }
  carry_out(index, 0);
  return ended;
}

Result<ReloadReport> Gateway::reload() {
  config::Report findings;
  auto next = config::load(configuration_.appliance.file, loader_, findings);
  ReloadReport report;
  std::string errors;
  for (const config::Diagnostic& found : findings.all()) {
    if (found.severity == config::Severity::kError) errors += "\n" + config::to_text(found);
    if (found.severity == config::Severity::kWarning) report.warnings.push_back(config::to_text(found));
  }
  if (!next) return Error{"nothing was changed: the new configuration has errors" + errors};
  std::vector<std::string> files;
  for (const auto& server : next->servers) files.push_back(server.file);
  bool same_servers = std::ranges::equal(files, instances_, {}, {}, [](const auto& i) { return i->config.file; });
  if (!same_servers)
    return Error{"nothing was changed: [[openvpn]] names other files than before, which needs a restart"};
  for (const std::string& path : loader_.take_used())
    report.warnings.push_back(path + ": not readable for the user this runs as: what was read at start stays in force");

  compare(configuration_.appliance, next->appliance, report);
  for (size_t i = 0; i < instances_.size(); ++i) {
    compare(instances_[i]->config, next->servers[i], report);
    take_over(i, std::move(next->servers[i]));
    report.ended += end_revoked(i);
  }
  for (std::string& finding : follow_configured_limits()) report.warnings.push_back(std::move(finding));
  take_over_routes();
  std::string run_dir = configuration_.appliance.run_dir;
  configuration_.appliance = std::move(next->appliance);
  configuration_.appliance.run_dir = run_dir;
  configuration_.log_level = next->log_level;
  io::set_log_level(next->log_level);
  io::log(io::LogLevel::kInfo, report.summary());
  look_at_concerns();
  return report;
}

Result<ReloadReport> Gateway::reload_and_log() {
  auto reloaded = reload();
  if (reloaded) {
    for (const std::string& warning : reloaded->warnings) io::log(io::LogLevel::kWarning, warning);
    return reloaded;
  }
  const std::string& text = reloaded.error();
  for (size_t start = 0; start < text.size();) {
    size_t end = std::min(text.find('\n', start), text.size());
    io::log(io::LogLevel::kError, text.substr(start, end - start));
    start = end + 1;
  }
  return reloaded;
}

void Gateway::take_over_routes() {
  abi::OpenTun tun = configuration_.tun;
  tun.routes = {};
  size_t next = 0;
  for (const auto& instance : instances_)
    for (const abi::TunRoute& route : instance->config.routes)
      if (next < tun.routes.size()) tun.routes[next++] = route;
  if (tun.routes == configuration_.tun.routes) return;
  configuration_.tun = tun;
  ports_->change_tun(tun);
}

void Gateway::take_over(size_t index, config::ServerConfig next) {
  Instance& instance = *instances_[index];
  bool exported = next.tls.export_peer_certificates;
  keep_fixed(instance.config, next);
  if (next.tls.export_peer_certificates != exported)
    if (auto context = crypto::TlsContext::make(next.tls)) next.settings.tls = *context;
  instance.crl = auth::CrlWatch(next.crl_file, next.tls);
  instance.revoked_folder = auth::RevokedFolder(next.crl_dir);
  bool new_pool = !same_pool(instance.config, next);
  instance.config = std::move(next);
  set_token_settings(instance);
  if (instance.server) instance.server->set_settings(instance.config.settings);
  if (new_pool) make_new_pool(index);
}

/// Sessions keep their addresses, also those that the new pool has no place for.
void Gateway::make_new_pool(size_t index) {
  Instance& instance = *instances_[index];
  write_pool(index);  // of those who have left, too
  instance.addresses = pool::AddressPool(policy::ranges_of(instance.config));
  if (instance.persistent_pool) instance.persistent_pool->read(instance.addresses, io::mono_now());
  if (!book_) return;
  book_->each([&](abi::SessionRef session, BookEntry& entry) {
    if (entry.instance != index) return;
    auto info = instance.server->session(session);
    auto entering = instance.entering.find(session);
    const bool on_its_way = info && !info->connected && entering != instance.entering.end();
    openvpn::ClientGrant grant;
    if (info) grant = on_its_way ? entering->second.grant : info->grant;
    entry.lease = lease_again(instance.addresses, entry.name, grant);
  });
}

}  // namespace culvert::gateway
