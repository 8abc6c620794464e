// Which of the default provider's algorithms TLS runs with. Inside this folder only.
#pragma once

#include <openssl/core.h>

#include <vector>

namespace culvert::crypto {

/// Ends with an entry of zeros, as OpenSSL wants it.
using AlgorithmTable = std::vector<OSSL_ALGORITHM>;

/// Of the decoders `all` those that a public key inside a certificate needs.
AlgorithmTable public_key_decoders(const OSSL_ALGORITHM* all);

/// The key managers `all`, but a peer's ephemeral key on a NIST prime curve is checked as RFC 8446, section 4.2.8.2,
/// asks for: not the point at infinity, coordinates in range, on the curve. OpenSSL 3.0 multiplies the point by the
/// order of the group on top, as long a computation as the key agreement itself, which finds nothing more where the
/// cofactor is 1. May be called once: the functions it stands in front of are kept in one place.
AlgorithmTable key_managers(const OSSL_ALGORITHM* all);

}  // namespace culvert::crypto
