// EC keys of TLS: OpenSSL's, with less work for the curves that are in use. Inside this folder only.
#pragma once

#include <openssl/core.h>

namespace culvert::crypto {

/// The functions that stand in for OpenSSL's key manager `original` for EC keys (OSSL_FUNC_KEYMGMT_…). May be called
/// once: the functions that are stood in for are kept in one place.
///
/// A peer's ephemeral key on a NIST prime curve is checked as RFC 8446, section 4.2.8.2, asks for: not the point at
/// infinity, coordinates in range, on the curve. OpenSSL 3.0 multiplies the point by the order of the group on top, as
/// long a computation as the key agreement itself, which finds nothing more where the cofactor is 1.
const OSSL_DISPATCH* ec_key_manager(const OSSL_DISPATCH* original);

}  // namespace culvert::crypto
