// TLS 1.3's key derivation (RFC 8446, section 7.1): OpenSSL's, with less work for what libssl asks of it. Inside this
// folder only.
#pragma once

#include <openssl/core.h>
#include <openssl/core_dispatch.h>

namespace culvert::crypto {

/// The functions that stand in for OpenSSL's "TLS13-KDF" (OSSL_FUNC_KDF_…), whose functions are `original`. May be
/// called once: the functions that are stood in for are kept in one place.
///
/// A handshake derives some twenty secrets, each with a context of its own, and OpenSSL 3.0 makes and copies several
/// contexts of hashes for each, which takes longer than the hashing. Here, one hash does for a derivation whose
/// parameters come all at once with SHA-256 or SHA-384, as libssl's do; any other goes to OpenSSL. A context derives
/// once (libssl makes one for each secret): what was given to it before stands for nothing in a second derivation.
const OSSL_DISPATCH* tls13_key_derivation(const OSSL_DISPATCH* original);

}  // namespace culvert::crypto
