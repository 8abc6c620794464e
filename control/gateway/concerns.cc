#include "control/gateway/concerns.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "control/config/arguments.h"
#include "control/crypto/tls.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::gateway {
namespace {

bool switched_on(const char* path) {
  std::ifstream file(path);
  int value = 1;
  return !(file >> value) || value != 0;
}

std::vector<std::string> words_of(const std::string& option) {
  std::istringstream text(option);
  std::vector<std::string> words;
  for (std::string word; text >> word;) words.push_back(word);
  return words;
}

bool has(const std::vector<std::string>& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

bool inside(const std::string& address, const config::Pool4& pool) {
  auto ip = config::parse_ip4(address);
  return ip && ((config::to_u32(*ip) ^ config::to_u32(pool.network)) & config::mask_of(pool.prefix)) == 0;
}

bool inside(const std::string& network, const config::Pool6& pool) {
  auto ip = config::parse_prefix6(network);
  return ip && config::network_of(ip->address, pool.prefix) == config::network_of(pool.network, pool.prefix);
}

/// Is the network behind clients, and reached from other clients without the kernel?
bool stays_in_dataplane(const config::ServerConfig& server, const std::string& network, bool is_ip6) {
  if (!server.settings.client_to_client) return false;
  abi::IpAddress wanted{};
  if (auto ip = config::parse_ip4(network); ip && !is_ip6) wanted = abi::ipv4(*ip);
  if (auto ip = config::parse_prefix6(network); ip && is_ip6) wanted = abi::ipv6(ip->address);
  return std::ranges::any_of(server.routes, [&wanted](const abi::TunRoute& route) { return route.network == wanted; });
}

/// Does the pushed option send packets of this family to networks that only the kernel can pass them on to?
bool wants_forwarding(const config::ServerConfig& server, const std::string& option, bool is_ip6) {
  std::vector<std::string> words = words_of(option);
  if (words.empty()) return false;
  if (words[0] == "redirect-gateway") return is_ip6 ? has(words, "ipv6") : !has(words, "!ipv4");
  if (words[0] != (is_ip6 ? "route-ipv6" : "route") || words.size() < 2) return false;
  // Those go past the tunnel, or to the gateway itself.
  if (has(words, "net_gateway") || has(words, "remote_host") || words[1] == "vpn_gateway") return false;
  if (is_ip6 ? server.pool6 && inside(words[1], *server.pool6) : server.pool4 && inside(words[1], *server.pool4))
    return false;
  return !stays_in_dataplane(server, words[1], is_ip6);
}

void look_at_forwarding(const config::ServerConfig& server, bool is_ip6, std::vector<std::string>& out) {
  auto found = std::ranges::find_if(
      server.push, [&](const std::string& option) { return wants_forwarding(server, option, is_ip6); });
  if (found == server.push.end() || (is_ip6 ? !server.pool6 : !server.pool4)) return;
  out.push_back(server.file + ": clients are sent to networks behind this machine (push \"" + *found +
                "\"), but it does not forward " + (is_ip6 ? "IPv6" : "IPv4") + ": sysctl -w " +
                (is_ip6 ? "net.ipv6.conf.all.forwarding" : "net.ipv4.ip_forward") +
                "=1; a network that has no route back to the clients needs masquerading as well (nftables)");
}

}  // namespace

Forwarding kernel_forwarding() {
  return {.ip4 = switched_on("/proc/sys/net/ipv4/ip_forward"),
          .ip6 = switched_on("/proc/sys/net/ipv6/conf/all/forwarding")};
}

std::vector<std::string> concerns(const std::vector<const config::ServerConfig*>& servers, const Forwarding& forwarding,
                                  std::chrono::sys_seconds wall) {
  std::vector<std::string> out;
  for (const config::ServerConfig* server : servers) {
    if (server->settings.tls)
      for (const std::string& text : server->settings.tls->warnings(wall)) out.push_back(server->file + ": " + text);
    if (!forwarding.ip4) look_at_forwarding(*server, false, out);
    if (!forwarding.ip6) look_at_forwarding(*server, true, out);
  }
  return out;
}

}  // namespace culvert::gateway
