// Names of TLS ciphers and groups as operators write them, as OpenSSL takes them.
#pragma once

#include <string>
#include <string_view>

#include "dataplane/abi/result.h"

namespace culvert::config {

/// "TLS-ECDHE-RSA-WITH-AES-256-GCM-SHA384:…" (IANA) or OpenSSL's own syntax, as OpenSSL's syntax. An error names the
/// word.
Result<std::string> openssl_cipher_list(std::string_view list);

/// "secp256r1:X25519" with the names that OpenSSL knows under another one replaced (prime256v1, prime192v1).
std::string openssl_groups(std::string_view list);

}  // namespace culvert::config
