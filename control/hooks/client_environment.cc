#include "control/hooks/client_environment.h"

#include <time.h>
#include <unistd.h>

#include <array>
#include <map>
#include <set>
#include <tuple>

#include "control/config/arguments.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::hooks {
namespace {

std::string netmask(uint8_t prefix) {
  uint32_t bits = prefix == 0 ? 0 : ~uint32_t{0} << (32 - prefix);
  std::array<uint8_t, 4> bytes{static_cast<uint8_t>(bits >> 24), static_cast<uint8_t>(bits >> 16),
                               static_cast<uint8_t>(bits >> 8), static_cast<uint8_t>(bits)};
  return abi::to_text(abi::ipv4(bytes));
}

std::string hex(const std::vector<uint8_t>& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (uint8_t byte : bytes) {
    if (!out.empty()) out += ':';
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

/// Long decimal to bytes, for tls_serial_hex.
std::vector<uint8_t> bytes_of_decimal(std::string_view decimal) {
  std::vector<uint8_t> bytes;  // least significant first
  for (char c : decimal) {
    if (c < '0' || c > '9') return {};
    unsigned carry = static_cast<unsigned>(c - '0');
    for (uint8_t& byte : bytes) {
      carry += byte * 10u;
      byte = static_cast<uint8_t>(carry);
      carry >>= 8;
    }
    if (carry != 0) bytes.push_back(static_cast<uint8_t>(carry));
  }
  if (bytes.empty()) bytes.push_back(0);
  return {bytes.rbegin(), bytes.rend()};
}

/// One set of variables per `proto` and `port` as they stand in the file: udp6 opens two sockets, but is one.
void add_listeners(Environment& environment, const config::ServerConfig& server) {
  std::set<std::tuple<std::string, uint16_t, std::string>> seen;
  for (const abi::OpenPort& port : server.listen) {
    std::string proto = port.local.transport == abi::Transport::kUdp ? "udp" : "tcp-server";
    std::string address = abi::to_text(port.local.address);
    if (address == "0.0.0.0" || address == "::") address.clear();
    if (!seen.emplace(proto, port.local.port, address).second) continue;
    const std::string suffix = "_" + std::to_string(seen.size());
    environment.set("proto" + suffix, proto);
    environment.set("local_port" + suffix, uint64_t{port.local.port});
    environment.set("remote_port" + suffix, uint64_t{port.local.port});  // `port` sets both
    if (!address.empty()) environment.set("local" + suffix, address);
  }
}

}  // namespace

Environment server_environment(const config::ServerConfig& server, const std::string& tun_name,
                               std::chrono::sys_seconds started) {
  Environment environment;
  environment.set_folder(server.hooks.folder);
  environment.set("config", server.file);
  environment.set("daemon", "0");
  environment.set("daemon_log_redirect", server.log_file.empty() ? "0" : "1");
  environment.set("daemon_pid", static_cast<uint64_t>(getpid()));
  environment.set("daemon_start_time", static_cast<uint64_t>(started.time_since_epoch().count()));
  environment.set("dev", tun_name);
  environment.set("dev_type", "tun");
  environment.set("script_context", "init");
  environment.set("redirect_gateway", "0");
  environment.set("verb", uint64_t{server.verb});
  environment.set("tun_mtu", uint64_t{server.settings.tun_mtu});
  add_listeners(environment, server);
  if (server.pool4) {
    environment.set("ifconfig_local", abi::to_text(abi::ipv4(server.pool4->gateway)));
    if (server.topology == openvpn::Topology::kSubnet)
      environment.set("ifconfig_netmask", netmask(server.pool4->prefix));
    else
      environment.set("ifconfig_remote", abi::to_text(abi::ipv4(server.pool4->peer)));
  }
  if (server.pool6) {
    environment.set("ifconfig_ipv6_local", abi::to_text(abi::ipv6(server.pool6->gateway)));
    environment.set("ifconfig_ipv6_netbits", uint64_t{server.pool6->prefix});
    environment.set("ifconfig_ipv6_remote", abi::to_text(abi::ipv6(config::add(server.pool6->gateway, 1))));
  }
  for (const auto& [name, value] : server.hooks.variables) environment.set(name, value);
  return environment;
}

void add_certificate(Environment& environment, size_t depth, const openvpn::ClientIssuer& certificate) {
  const std::string n = std::to_string(depth);
  std::string all;
  std::map<std::string, int> seen;
  for (const std::string& field : certificate.subject) {
    all += (all.empty() ? "" : ", ") + field;
    size_t equals = field.find('=');
    if (equals == std::string::npos) continue;
    // A field that stands there again gets a number (ssl_verify_openssl.c, x509_setenv; env_set.c, setenv_str_incr).
    std::string name = "X509_" + n + "_" + field.substr(0, equals);
    int before = seen[name]++;
    if (before > 0) name += "_" + std::to_string(before);
    environment.set(name, field.substr(equals + 1));
  }
  environment.set("tls_id_" + n, tame_argument(all));
  environment.set("tls_serial_" + n, certificate.serial);
  environment.set("tls_serial_hex_" + n, hex(bytes_of_decimal(certificate.serial)));
  environment.set("tls_digest_" + n, hex(certificate.sha1));
  environment.set("tls_digest_sha256_" + n, hex(certificate.sha256));
}

void add_identity(Environment& environment, const openvpn::ClientIdentity& identity) {
  for (size_t at = 0; at < identity.peer_info.size();) {
    size_t end = std::min(identity.peer_info.find('\n', at), identity.peer_info.size());
    std::string_view line = std::string_view(identity.peer_info).substr(at, end - at);
    size_t equals = line.find('=');
    // Only names of which no program takes notice.
    if (equals != line.npos && (line.starts_with("IV_") || line.starts_with("UV_")))
      environment.set(line.substr(0, equals), line.substr(equals + 1));
    at = end + 1;
  }
  if (!identity.certificate_hash.empty())
    add_certificate(environment, 0,
                    {identity.subject, identity.serial, identity.certificate_hash, identity.certificate_sha1});
  for (size_t i = 0; i < identity.issuers.size(); ++i) add_certificate(environment, i + 1, identity.issuers[i]);
  if (identity.has_credentials || !identity.username.empty()) environment.set("username", tame_name(identity.username));
  if (!identity.common_name.empty()) environment.set("common_name", tame_name(identity.common_name));
}

void add_token(Environment& environment, const std::string& session, const std::string& state) {
  if (session.empty()) return;
  environment.set("session_id", session);
  environment.set("session_state", state);
}

void add_remote(Environment& environment, const abi::Endpoint& remote, bool trusted) {
  const std::string prefix = trusted ? "trusted" : "untrusted";
  bool ip6 = remote.address.family == abi::Family::kIpv6;
  environment.set(prefix + (ip6 ? "_ip6" : "_ip"), abi::to_text(remote.address));
  environment.set(prefix + "_port", uint64_t{remote.port});
}

void add_addresses(Environment& environment, const openvpn::ClientGrant& grant) {
  for (const char* name : {"ifconfig_pool_remote_ip", "ifconfig_pool_local_ip", "ifconfig_pool_netmask",
                           "ifconfig_pool_remote_ip6", "ifconfig_pool_local_ip6", "ifconfig_pool_ip6_netbits"})
    environment.remove(name);
  if (grant.ip4 != std::array<uint8_t, 4>{}) {
    environment.set("ifconfig_pool_remote_ip", abi::to_text(abi::ipv4(grant.ip4)));
    if (grant.topology == openvpn::Topology::kSubnet)
      environment.set("ifconfig_pool_netmask", netmask(grant.ip4_prefix));
    else
      environment.set("ifconfig_pool_local_ip", abi::to_text(abi::ipv4(grant.ip4_peer)));
  }
  if (grant.ip6 != std::array<uint8_t, 16>{}) {
    environment.set("ifconfig_pool_remote_ip6", abi::to_text(abi::ipv6(grant.ip6)));
    environment.set("ifconfig_pool_local_ip6", abi::to_text(abi::ipv6(grant.ip6_gateway)));
    environment.set("ifconfig_pool_ip6_netbits", uint64_t{grant.ip6_prefix});
  }
}

std::string network_text(const abi::InnerPrefix& network) {
  bool single = network.length == (network.address.family == abi::Family::kIpv4 ? 32 : 128);
  return abi::to_text(network.address) + (single ? "" : "/" + std::to_string(network.length));
}

std::string client_key(abi::SessionRef session) {
  return std::to_string(session.peer_id) + "." + std::to_string(session.generation);
}

void add_time(Environment& environment, std::chrono::sys_seconds connected) {
  time_t seconds = static_cast<time_t>(connected.time_since_epoch().count());
  tm local{};
  std::array<char, 64> text{};
  if (localtime_r(&seconds, &local)) strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &local);
  environment.set("time_ascii", text.data());
  environment.set("time_unix", static_cast<uint64_t>(seconds));
}

}  // namespace culvert::hooks
