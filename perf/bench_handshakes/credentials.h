// What both ends of a benchmarked handshake need: a CA, a certificate and TLS context for each side, tls-crypt-v2 keys.
#pragma once

#include <chrono>
#include <memory>

#include "control/crypto/primitives.h"
#include "control/crypto/tls.h"
#include "control/crypto/x509.h"
#include "control/openvpn/settings.h"
#include "dataplane/abi/result.h"

namespace culvert::perf {

struct Variant {
  crypto::TlsVersion version = crypto::TlsVersion::kTls13;
  crypto::KeyKind key_kind = crypto::KeyKind::kEcP256;
};

struct Credentials {
  std::chrono::sys_seconds wall;  ///< time at which the certificates are judged
  openvpn::ServerSettings server;
  openvpn::ClientSettings client;
};

/// Makes keys and certificates of `variant`, valid now; both ends verify each other. Error: OpenSSL's.
Result<Credentials> make_credentials(const Variant& variant, Random& random);

}  // namespace culvert::perf
