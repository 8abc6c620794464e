// The files that init and client add write, as text.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "control/pki/pki.h"
#include "dataplane/abi/result.h"

namespace culvert::pki {

/// Common name of the server's certificate; profiles check it.
inline constexpr std::string_view kServerName = "culvert-server";

/// Certificates and lists begin so much earlier: a client whose clock is behind must not find them "not yet valid".
inline constexpr std::chrono::hours kClockSkew{1};

/// Where clients connect to.
struct Remote {
  std::string host;
  uint16_t port = 1194;
};

/// "vpn.example.org", "192.0.2.1:443", "2001:db8::1", "[2001:db8::1]:443". Without a port: `port`.
Result<Remote> parse_remote(const std::string& text, uint16_t port);

/// `pool6` is a network with its length; `ipv6_outside`: the machine has IPv6, so listen on it too.
std::string server_conf_text(const InitOptions& options, const std::string& pool6, bool ipv6_outside);
std::string culvert_toml_text();

struct ProfileParts {
  std::string name;
  Remote remote;
  std::string ca_pem;
  std::string certificate_pem;
  std::string key_pem;
  std::string tls_crypt_v2;
};
/// A profile with everything inline. Holds the private key: wipe it after use.
std::string profile_text(const ProfileParts& parts);

}  // namespace culvert::pki
