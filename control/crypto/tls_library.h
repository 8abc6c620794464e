// The OpenSSL library context in which TLS runs. Inside this folder only.
#pragma once

#include <openssl/types.h>

#include "control/crypto/openssl.h"

namespace culvert::crypto {

/// A context of its own for TLS streams, made at the first call and kept until the process ends: those algorithms of
/// OpenSSL's default provider that TLS and its certificates can use. OpenSSL 3.0 walks over all algorithms of a context
/// for every certificate that a peer sends, which in its default context takes longer than verifying two P-256
/// signatures.
///
/// nullptr, which is OpenSSL's default context, when this machine's openssl.cnf set up anything else than the default
/// provider (FIPS, PKCS #11, TPM …): then TLS runs as it says.
///
/// Of keys on certificates it has only EC keys at first, because that walk is shorter so: see add_other_keys().
OSSL_LIB_CTX* tls_library();

/// In tls_library(), for the role that `method` says, and with everything that OpenSSL sets up in it once according to
/// the algorithms that it finds. Null: an error is queued.
OwnedSslCtx new_tls_context(const SSL_METHOD* method);

/// From now on tls_library() has keys of the other kinds, too (RSA, RSA-PSS, DSA, Ed25519, Ed448): for good, for all
/// contexts. To be called before a certificate with such a key is read in it, or a signature by one verified. May be
/// called at any time, from any thread, and again.
void add_other_keys();

}  // namespace culvert::crypto
