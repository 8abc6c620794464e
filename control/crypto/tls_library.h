// The OpenSSL library context in which TLS runs. Inside this folder only.
#pragma once

#include <openssl/types.h>

namespace culvert::crypto {

/// A context of its own for TLS streams, made at the first call and kept until the process ends: those algorithms of
/// OpenSSL's default provider that TLS and its certificates can use. OpenSSL 3.0 walks over all algorithms of a context
/// for every certificate that a peer sends, which in its default context takes longer than verifying two P-256
/// signatures.
///
/// nullptr, which is OpenSSL's default context, when this machine's openssl.cnf set up anything else than the default
/// provider (FIPS, PKCS #11, TPM …): then TLS runs as it says.
OSSL_LIB_CTX* tls_library();

}  // namespace culvert::crypto
