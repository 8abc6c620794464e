#include "control/config/plan_together.h"

#include <algorithm>
#include <cstring>

#include "control/config/arguments.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::config {
namespace {

/// culvert.toml's MTU goes first, but it must not be another one than clients are told.
void settle_mtu(Configuration& made, ServerConfig& server, Report& report) {
  if (!made.appliance.tun_mtu) return;
  uint32_t wanted = *made.appliance.tun_mtu;
  if (server.settings.tun_mtu != wanted && server.settings.tun_mtu != 1500) {
    report.error(made.appliance.file, 0,
                 "[tun] mtu is " + std::to_string(wanted) + ", but " + server.file + " says tun-mtu " +
                     std::to_string(server.settings.tun_mtu) + ": remove one of them");
  }
  if (server.pool6 && wanted < 1280) {
    report.error(made.appliance.file, 0, "[tun] mtu: IPv6 needs at least 1280 (RFC 8200, section 5)");
  }
  server.settings.tun_mtu = static_cast<uint16_t>(wanted);
}

void check_limits(Configuration& made, ServerConfig& server, Report& report) {
  openvpn::ServerSettings& settings = server.settings;
  if (settings.max_clients <= made.appliance.sessions) return;
  report.warning(made.appliance.file, 0,
                 "max-clients of " + server.file + " is " + std::to_string(settings.max_clients) +
                     ", but there is room for " + std::to_string(made.appliance.sessions) +
                     " sessions: that is the limit; raise [dataplane] sessions");
  settings.max_clients = made.appliance.sessions;
}

bool overlap(const Pool4& a, const Pool4& b) {
  auto lowest = [](const Pool4& pool) { return std::min(to_u32(pool.network), to_u32(pool.first)); };
  auto highest = [](const Pool4& pool) {
    return std::max(to_u32(pool.network) | ~mask_of(pool.prefix), to_u32(pool.last));
  };
  return lowest(a) <= highest(b) && lowest(b) <= highest(a);
}

bool overlap(const Pool6& a, const Pool6& b) {
  uint8_t prefix = std::min(a.prefix, b.prefix);
  return network_of(a.network, prefix) == network_of(b.network, prefix);
}

bool clash(const abi::OpenPort& a, const abi::OpenPort& b) {
  auto is_any = [](const abi::IpAddress& address) {
    return std::ranges::all_of(address.bytes, [](uint8_t byte) { return byte == 0; });
  };
  bool same_address = a.local.address.family == b.local.address.family &&
                      (a.local.address == b.local.address || is_any(a.local.address) || is_any(b.local.address));
  return same_address && a.local.transport == b.local.transport && a.local.port == b.local.port && a.device == b.device;
}

/// What two server blocks must not share, and what they must.
void check_pair(const ServerConfig& first, const ServerConfig& second, Report& report) {
  auto error = [&](const std::string& text) { report.error(second.file, 0, text); };
  if (first.file == second.file) return error("two [[openvpn]] blocks name this file: remove one of them");
  if (first.pool4 && second.pool4 && overlap(*first.pool4, *second.pool4))
    error("its IPv4 network overlaps that of " + first.file + ": give each server block a network of its own");
  if (first.pool6 && second.pool6 && overlap(*first.pool6, *second.pool6))
    error("its IPv6 network overlaps that of " + first.file + ": give each server block a network of its own");
  if (first.settings.tun_mtu != second.settings.tun_mtu)
    error("tun-mtu is " + std::to_string(second.settings.tun_mtu) + ", but " + std::to_string(first.settings.tun_mtu) +
          " in " + first.file + ": all server blocks share one TUN and need the same");
  for (const abi::OpenPort& mine : second.listen)
    for (const abi::OpenPort& other : first.listen)
      if (clash(mine, other))
        return error(std::string(mine.local.transport == abi::Transport::kTcp ? "TCP " : "UDP ") +
                     abi::to_text(mine.local) + " is taken by " + first.file + ": use another port");
  if (!first.log_file.empty() && !second.log_file.empty() && first.log_file != second.log_file)
    report.warning(first.file, 0,
                   "log " + first.log_file +
                       " stays empty: one process serves all server blocks, and its log goes to " + second.log_file +
                       ", as " + second.file + " says");
  if (!second.dev_name.empty() && !first.dev_name.empty() && second.dev_name != first.dev_name)
    report.warning(second.file, 0,
                   "dev " + second.dev_name + " is not made: all server blocks share one TUN, which is named by " +
                       first.file + " or by [tun] name in culvert.toml");
}

void plan_routes(Configuration& made, Report& report) {
  size_t next = 0;
  for (const ServerConfig& server : made.servers)
    for (const abi::TunRoute& route : server.routes) {
      if (next == made.tun.routes.size())
        return report.error(server.file, 0,
                            "more than " + std::to_string(made.tun.routes.size()) +
                                " routes for one TUN: write fewer, larger networks");
      made.tun.routes[next++] = route;
    }
}

void plan_tun(Configuration& made, Report& report) {
  const Appliance& appliance = made.appliance;
  std::string name;
  std::optional<uint32_t> queue = appliance.tun_tx_queue_length;
  size_t next = 0;
  for (const ServerConfig& server : made.servers) {
    if (name.empty()) name = server.dev_name;
    if (!queue) queue = server.tun_tx_queue_length;
    if (next + 2 > made.tun.addresses.size())
      return report.error(appliance.file, 0,
                          "more than " + std::to_string(made.tun.addresses.size()) +
                              " addresses for one TUN: remove server blocks, or run a second gateway");
    bool network = server.topology == openvpn::Topology::kSubnet;
    if (server.pool4)
      made.tun.addresses[next++] = {abi::ipv4(server.pool4->gateway), network ? server.pool4->prefix : uint8_t{32}};
    if (server.pool6) made.tun.addresses[next++] = {abi::ipv6(server.pool6->gateway), server.pool6->prefix};
  }
  plan_routes(made, report);
  if (appliance.tun_name) name = *appliance.tun_name;
  if (name.empty()) name = kDefaultTunName;
  std::memcpy(made.tun.name.data(), name.data(), std::min(name.size(), made.tun.name.size() - 1));
  made.tun.mtu = made.servers[0].settings.tun_mtu;
  made.tun.tx_queue_length = queue.value_or(kDefaultTxQueueLength);
}

/// The first block's `user` (or `group`) when culvert.toml has none; the others must not say otherwise.
std::string identity(const Configuration& made, const std::string& own, std::string ServerConfig::*member,
                     const char* name, Report& report) {
  std::string chosen = own;
  for (const ServerConfig& server : made.servers) {
    const std::string& wanted = server.*member;
    if (chosen.empty()) chosen = wanted;
    if (own.empty() && !wanted.empty() && wanted != chosen)
      report.error(server.file, 0,
                   std::string(name) + " " + wanted + ": another server block says " + chosen +
                       ", and one process serves both; write it once, in culvert.toml's [control]");
  }
  return chosen;
}

}  // namespace

void plan_together(Configuration& made, Report& report) {
  std::optional<openvpn::LogLevel> level = made.appliance.log_level;
  size_t ports = 0;
  for (size_t i = 0; i < made.servers.size(); ++i) {
    ServerConfig& server = made.servers[i];
    settle_mtu(made, server, report);
    check_limits(made, server, report);
    for (size_t before = 0; before < i; ++before) check_pair(made.servers[before], server, report);
    ports += server.listen.size();
    // The block that says most.
    if (!made.appliance.log_level && server.log_level)
      level = std::min(level.value_or(*server.log_level), *server.log_level);
  }
  if (ports > abi::kMaxPorts)
    report.error(made.appliance.file, 0,
                 "the server blocks ask for " + std::to_string(ports) + " sockets, and " +
                     std::to_string(abi::kMaxPorts) + " are possible");
  plan_tun(made, report);
  made.user = identity(made, made.appliance.user, &ServerConfig::user, "user", report);
  made.group = identity(made, made.appliance.group, &ServerConfig::group, "group", report);
  made.log_level = level.value_or(openvpn::LogLevel::kInfo);
}

}  // namespace culvert::config
