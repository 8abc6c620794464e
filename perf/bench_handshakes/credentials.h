// What both ends of a benchmarked handshake need: a CA, a certificate and TLS context for each side, tls-crypt-v2 keys.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "control/crypto/primitives.h"
#include "control/crypto/tls.h"
#include "control/crypto/x509.h"
#include "control/openvpn/settings.h"
#include "dataplane/abi/result.h"

namespace culvert::perf {

struct Variant {
  crypto::TlsVersion version = crypto::TlsVersion::kTls13;
  crypto::KeyKind key_kind = crypto::KeyKind::kEcP256;
  bool new_clients = true;       ///< no client's certificate was seen before; else all come with the same
  bool revocation_list = false;  ///< the server has one
};

struct Credentials {
  std::chrono::sys_seconds wall;  ///< time at which the certificates are judged
  openvpn::ServerSettings server;
  crypto::TlsSettings server_tls;                ///< what server.tls was made of
  std::vector<openvpn::ClientSettings> clients;  ///< they take turns

  const openvpn::ClientSettings& client(uint32_t number) const { return clients[number % clients.size()]; }
  /// A new context for the server, which has seen nobody yet.
  Status forget_clients();
};

/// Makes keys and certificates of `variant`, valid now; both ends verify each other. `clients`: how many with
/// certificates of their own. Error: OpenSSL's.
Result<Credentials> make_credentials(const Variant& variant, uint32_t clients, Random& random);

}  // namespace culvert::perf
