// The OpenSSL library context in which TLS runs. Inside this folder only.
#pragma once

#include <openssl/types.h>

namespace culvert::crypto {

/// A context of its own for TLS streams, made at the first call and kept until the process ends: OpenSSL's default
/// provider with the same algorithms, but only those decoders that a public key inside a certificate needs. OpenSSL 3.0
/// searches all decoders of a context for every certificate that a peer sends, which takes longer than verifying a
/// P-256 signature.
///
/// nullptr, which is OpenSSL's default context, when this machine's openssl.cnf set up anything else than the default
/// provider (FIPS, PKCS #11, TPM …): then TLS runs as it says.
OSSL_LIB_CTX* tls_library();

}  // namespace culvert::crypto
