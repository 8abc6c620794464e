#include "control/pki/texts.h"

#include <bit>

#include "control/config/arguments.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::pki {
namespace {

/// A host name as DNS and /etc/hosts know it, or a numeric address.
bool good_host(const std::string& host) {
  if (host.empty() || host.size() > 253) return false;
  if (abi::parse_ip(host)) return true;
  if (host.front() == '-' || host.front() == '.') return false;
  for (char c : host) {
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!letter && c != '-' && c != '.' && c != '_') return false;
  }
  return true;
}

/// "10.8.0.0/24" → "10.8.0.0 255.255.255.0"; what is not of that form goes through, for the parser of server.conf to
/// refuse.
std::string network_and_mask(const std::string& pool) {
  size_t slash = pool.find('/');
  if (slash == std::string::npos) return pool;
  std::optional<uint32_t> length = config::to_number(std::string_view(pool).substr(slash + 1));
  std::string mask = length && *length <= 32
                         ? config::to_text(config::to_ip4(config::mask_of(static_cast<uint8_t>(*length))))
                         : pool.substr(slash + 1);
  return pool.substr(0, slash) + " " + mask;
}

std::string block(std::string_view name, std::string_view text) {
  std::string made = "<" + std::string(name) + ">\n" + std::string(text);
  if (!made.ends_with('\n')) made += '\n';
  return made + "</" + std::string(name) + ">\n";
}

}  // namespace

Result<Remote> parse_remote(const std::string& text, uint16_t port) {
  Remote remote{text, port};
  std::string port_text;
  if (text.starts_with('[') && text.find(']') != std::string::npos) {
    size_t end = text.find(']');
    remote.host = text.substr(1, end - 1);
    if (end + 1 < text.size() && text[end + 1] != ':') remote.host.clear();
    if (end + 1 < text.size()) port_text = text.substr(end + 2);
    if (text.ends_with(':')) remote.host.clear();
  } else if (text.find(':') != std::string::npos && text.find(':') == text.rfind(':')) {
    remote.host = text.substr(0, text.find(':'));
    port_text = text.substr(text.find(':') + 1);
    if (port_text.empty()) remote.host.clear();
  }
  if (!port_text.empty()) {
    std::optional<uint32_t> number = config::to_number(port_text);
    if (!number || *number == 0 || *number > 65535) return Error{"'" + port_text + "' is not a port from 1 to 65535"};
    remote.port = static_cast<uint16_t>(*number);
  }
  if (good_host(remote.host)) return remote;
  return Error{"'" + text +
               "' is not a host: write a name or an address, with a port if it is not the usual one, such as "
               "vpn.example.org, 192.0.2.1:443 or [2001:db8::1]:443"};
}

std::string server_conf_text(const InitOptions& options, const std::string& pool6, bool ipv6_outside) {
  std::string text =
      "# Written by culvert init, in the syntax of OpenVPN 2.6. What each directive does here: conf/README.md of "
      "culvert.\n\n"
      "# Where clients come in.";
  text += ipv6_outside ? " udp6 listens on IPv6 and IPv4.\n" : "\n";
  text += "port " + std::to_string(options.port) + "\n";
  text += ipv6_outside ? "proto udp6\n" : "proto udp\n";
  text +=
      "\n# Addresses inside the tunnel.\ndev tun\ntopology subnet\nserver " + network_and_mask(options.pool4) + "\n";
  text += "server-ipv6 " + pool6 + "\n";
  text +=
      "\n# Who we are, and who gets in. culvert client revoke NAME writes crl.pem.\n"
      "ca ca.crt\ncert server.crt\nkey server.key\ndh none\ncrl-verify crl.pem\nremote-cert-tls "
      "client\ntls-version-min 1.2\n"
      "tls-crypt-v2 tls-crypt-v2-server.key force-cookie\n"
      "\n# Data channel. The first cipher that the client has too is used.\n"
      "data-ciphers AES-256-GCM:AES-128-GCM:CHACHA20-POLY1305\n"
      "\n# Notice clients that vanished, and let clients notice a restart.\nkeepalive 10 60\nexplicit-exit-notify 1\n"
      "\n# What clients are told.\n";
  text += std::string(options.redirect_gateway ? "" : "# ") + "push \"redirect-gateway def1 ipv6\"\n";
  for (const std::string& server : options.dns) text += "push \"dhcp-option DNS " + server + "\"\n";
  if (options.dns.empty()) text += "# push \"dhcp-option DNS 9.9.9.9\"\n";
  text +=
      "# push \"route 192.168.10.0 255.255.255.0\"\n\n# Clients may talk to each other.\n# "
      "client-to-client\n\nmax-clients 1024\n"
      "verb 3\n";
  return text;
}

std::string culvert_toml_text() {
  return "# Written by culvert init. All keys: conf/README.md of culvert.\n\n[[openvpn]]\nconfig = \"server.conf\"\n";
}

std::string profile_text(const ProfileParts& parts) {
  std::string text =
      "# Profile of " + parts.name + ". It holds a private key: keep it secret.\nclient\ndev tun\nproto udp\n";
  text += "remote " + parts.remote.host + " " + std::to_string(parts.remote.port) + "\n";
  text += "resolv-retry infinite\nnobind\npersist-tun\nremote-cert-tls server\nverify-x509-name " +
          std::string(kServerName) +
          " name\ntls-version-min 1.2\ndata-ciphers AES-256-GCM:AES-128-GCM:CHACHA20-POLY1305\nexplicit-exit-notify "
          "1\nverb 3\n";
  // One reservation: a string that grows leaves copies of the key behind in freed memory.
  text.reserve(text.size() + parts.ca_pem.size() + parts.certificate_pem.size() + parts.key_pem.size() +
               parts.tls_crypt_v2.size() + 256);
  text += block("ca", parts.ca_pem);
  text += block("cert", parts.certificate_pem);
  text += block("key", parts.key_pem);
  text += block("tls-crypt-v2", parts.tls_crypt_v2);
  return text;
}

}  // namespace culvert::pki
