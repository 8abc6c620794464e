// The gateway's own small certificate authority: what `culvert init` and `culvert client …` do on disk. Offline: no
// running gateway is asked or told (the CLI does that).
//
// A folder made by init() holds
//   culvert.toml server.conf      the configuration
//   ca.crt ca.key server.crt server.key tls-crypt-v2-server.key crl.pem
//   clients.json                  the registry: what init was told (host, port) and every client with serial and state
//   clients/NAME.ovpn             profiles, with the client's private key (0600)
// Folders are 0700, files with secrets 0600. Every file is written beside its place and renamed into it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/abi/result.h"

namespace culvert::pki {

struct InitOptions {
  std::string folder;
  std::string host;  ///< name or address that clients connect to; goes into profiles (client add --remote overrides)
  uint16_t port = 1194;
  std::string pool4 = "10.8.0.0/24";
  std::string pool6;              ///< empty: a random /112 of fd00::/8 (RFC 4193)
  std::vector<std::string> dns;   ///< servers to push; empty: none
  bool redirect_gateway = false;  ///< push all traffic through the tunnel
};

struct InitReport {
  std::string toml;                ///< path to give to `culvert up --config`
  std::vector<std::string> files;  ///< all files made
};

/// Makes the folder (its parent must exist) and all files. Refuses a folder that holds any of them; on an error nothing
/// is left.
Result<InitReport> init(const InitOptions& options, std::chrono::sys_seconds now);

enum class ClientState : uint8_t { kValid, kRevoked, kExpired };

/// One row of `culvert client list`.
struct ClientRow {
  std::string name;
  std::string serial;  ///< decimal, as in PeerCertificate::serial
  ClientState state = ClientState::kValid;
  std::chrono::sys_seconds created{};
  std::chrono::sys_seconds expires{};
  std::chrono::sys_seconds revoked{};  ///< only when revoked
  std::string profile;                 ///< path of NAME.ovpn
};

struct AddOptions {
  std::string folder;
  std::string name;    ///< 1…64 of A–Z a–z 0–9 . _ @ + -, not starting with . or -
  std::string remote;  ///< HOST or HOST:PORT or [IPV6]:PORT for the profile; empty: as init was told
  uint32_t days = 825;
};

/// Issues a certificate and a tls-crypt-v2 client key and writes clients/NAME.ovpn. A name that is in use is refused;
/// one that was revoked may be used again.
Result<ClientRow> add_client(const AddOptions& options, std::chrono::sys_seconds now);

/// Puts the client's certificate on the CRL. The running gateway has to be told to read it (the CLI does).
Result<ClientRow> revoke_client(const std::string& folder, const std::string& name, std::chrono::sys_seconds now);

/// Writes a new secret for auth-gen-token-secret (0600). Refuses a file that is there: its tokens would be worth
/// nothing.
Status make_token_secret(const std::string& path);

Result<std::vector<ClientRow>> list_clients(const std::string& folder, std::chrono::sys_seconds now);

}  // namespace culvert::pki
