#include "control/gateway/reload.h"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

namespace culvert::gateway {
namespace {

using config::Said;
using config::ServerConfig;

// Sockets and the TUN belong to the dataplane and are opened once; the user we run as can't be changed back.
constexpr std::array kFixed = std::to_array<std::string_view>({
    "bind",
    "bind-dev",
    "dev",
    "dev-node",
    "dev-type",
    "group",
    "ifconfig",
    "ifconfig-ipv6",
    "ifconfig-pool-persist",
    "ipv6only",
    "local",
    "log",
    "log-append",
    "lport",
    "management",
    "mark",
    "multihome",
    "port",
    "port-share",
    "proto",
    "rcvbuf",
    "server",
    "server-ipv6",
    "sndbuf",
    "socket-flags",
    "status",
    "syslog",
    "tcp-nodelay",
    "topology",
    "tun-mtu",
    "txqueuelen",
    "user",
    "writepid",
    "management-client-user",
    "management-client-group",
    "up",
    "down",
    "script-security",
    "chroot",
    "management-hold",
    "management-log-cache",
    "management-client-auth",
    "tmp-dir",
    "auth-user-pass-verify",
    "client-crresponse",
    "tls-verify",
    "tls-export-cert",
    "learn-address",
    "route-up",
    "up-restart",
    "setenv",
    "setenv-safe",
});

bool fixed(const std::string& name) {
  return std::ranges::find(kFixed, std::string_view(name)) != kFixed.end();
}

/// All statements of each directive, in their order.
std::map<std::string, std::vector<size_t>> by_name(const std::vector<Said>& said) {
  std::map<std::string, std::vector<size_t>> names;
  for (const Said& one : said) names[one.name].push_back(one.digest);
  return names;
}

bool same_network(const ServerConfig& a, const ServerConfig& b) {
  auto equal4 = [](const config::Pool4& x, const config::Pool4& y) {
    return x.network == y.network && x.prefix == y.prefix && x.gateway == y.gateway;
  };
  auto equal6 = [](const config::Pool6& x, const config::Pool6& y) {
    return x.network == y.network && x.prefix == y.prefix && x.gateway == y.gateway;
  };
  if (a.topology != b.topology) return false;
  if (a.pool4.has_value() != b.pool4.has_value() || a.pool6.has_value() != b.pool6.has_value()) return false;
  return (!a.pool4 || equal4(*a.pool4, *b.pool4)) && (!a.pool6 || equal6(*a.pool6, *b.pool6));
}

template <class Value>
void note(std::vector<std::string>& list, const char* name, const Value& before, const Value& after) {
  if (before != after) list.emplace_back(name);
}

std::string list_of(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ", ") + item;
  return text;
}

}  // namespace

void compare(const ServerConfig& before, const ServerConfig& after, ReloadReport& report) {
  auto old_names = by_name(before.said);
  auto new_names = by_name(after.said);
  std::set<std::string> names;
  for (const auto& [name, digests] : old_names)
    if (!new_names.contains(name) || new_names.at(name) != digests) names.insert(name);
  for (const auto& [name, digests] : new_names)
    if (!old_names.contains(name)) names.insert(name);
  for (const std::string& name : names) (fixed(name) ? report.needs_restart : report.applied).push_back(name);

  // What stands in other files, whose names may be the same as before.
  auto contents = [&](const char* name, bool differs) {
    if (differs && !names.contains(name)) report.applied.push_back(std::string("contents of ") + name);
  };
  contents("ca", before.tls.ca_pem != after.tls.ca_pem);
  contents("cert", before.tls.certificate_pem != after.tls.certificate_pem);
  contents("key", before.tls.key_pem != after.tls.key_pem);
  contents("crl-verify", before.tls.crl_pem != after.tls.crl_pem);
  auto token_secret = [](const ServerConfig& config) {
    return config.access.tokens ? config.access.tokens->secret : std::nullopt;
  };
  contents("auth-gen-token-secret", token_secret(before) != token_secret(after));
  const openvpn::WrapSettings& old_wrap = before.settings.wrap;
  const openvpn::WrapSettings& new_wrap = after.settings.wrap;
  contents("tls-crypt", old_wrap.key != new_wrap.key || old_wrap.server_key != new_wrap.server_key);
}

void compare(const config::Appliance& before, const config::Appliance& after, ReloadReport& report) {
  note(report.needs_restart, "[dataplane] workers", before.workers, after.workers);
  note(report.needs_restart, "[[port]]", before.ports, after.ports);
  note(report.needs_restart, "[dataplane] sessions", before.sessions, after.sessions);
  note(report.needs_restart, "[dataplane] huge", before.huge, after.huge);
  note(report.needs_restart, "[tun] name", before.tun_name, after.tun_name);
  note(report.needs_restart, "[tun] mtu", before.tun_mtu, after.tun_mtu);
  note(report.needs_restart, "[tun] tx_queue_length", before.tun_tx_queue_length, after.tun_tx_queue_length);
  note(report.needs_restart, "[control] user", before.user, after.user);
  note(report.needs_restart, "[control] group", before.group, after.group);
  note(report.needs_restart, "[control] hook_timeout", before.hook_timeout, after.hook_timeout);
  note(report.needs_restart, "[control] hook_processes", before.hook_processes, after.hook_processes);
  note(report.needs_restart, "run_dir", before.run_dir, after.run_dir);
  note(report.applied, "[clients] limit_in", before.client_limit.from_client, after.client_limit.from_client);
  note(report.applied, "[clients] limit_out", before.client_limit.to_client, after.client_limit.to_client);
  note(report.applied, "[log] level", before.log_level, after.log_level);
}

bool same_pool(const ServerConfig& a, const ServerConfig& b) {
  return same_network(a, b) && (!a.pool4 || (a.pool4->first == b.pool4->first && a.pool4->last == b.pool4->last)) &&
         (!a.pool6 || a.pool6->first == b.pool6->first);
}

void keep_fixed(const ServerConfig& running, ServerConfig& after) {
  after.listen = running.listen;
  after.dev_name = running.dev_name;
  after.tun_tx_queue_length = running.tun_tx_queue_length;
  after.settings.tun_mtu = running.settings.tun_mtu;
  after.settings.cookie_secret = running.settings.cookie_secret;
  after.user = running.user;
  // Scripts under way hold on to these.
  after.hooks.auth_user_pass_verify = running.hooks.auth_user_pass_verify;
  after.hooks.client_crresponse = running.hooks.client_crresponse;
  after.hooks.tls_verify = running.hooks.tls_verify;
  after.hooks.tls_export_cert = running.hooks.tls_export_cert;
  after.tls.export_peer_certificates = running.tls.export_peer_certificates;
  after.hooks.learn_address = running.hooks.learn_address;
  after.hooks.up = running.hooks.up;
  after.hooks.down = running.hooks.down;
  after.hooks.route_up = running.hooks.route_up;
  after.hooks.up_restart = running.hooks.up_restart;
  after.hooks.password_in_environment = running.hooks.password_in_environment;
  after.hooks.tmp_dir = running.hooks.tmp_dir;
  after.hooks.variables = running.hooks.variables;
  after.settings.verify_renewals = running.settings.verify_renewals;
  after.management = running.management;
  after.status_file = running.status_file;
  after.status_every = running.status_every;
  after.group = running.group;
  after.persistent_pool = running.persistent_pool;
  if (same_network(running, after)) return;
  // Clients must be told of the networks that the TUN has.
  after.topology = running.topology;
  after.routes = running.routes;
  after.pool4 = running.pool4;
  after.pool6 = running.pool6;
  after.push = running.push;
}

nlohmann::ordered_json ReloadReport::to_json() const {
  return {{"applied", applied}, {"needs_restart", needs_restart}, {"warnings", warnings}, {"sessions_ended", ended}};
}

std::string ReloadReport::summary() const {
  std::string text = "reloaded: " + (applied.empty() ? "nothing has changed" : "changed " + list_of(applied));
  if (!needs_restart.empty()) text += "; a restart is needed for " + list_of(needs_restart);
  if (ended > 0) text += "; " + std::to_string(ended) + " session(s) ended";
  return text;
}

}  // namespace culvert::gateway
