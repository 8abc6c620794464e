// Reads the EC key of a certificate. Inside this folder only.
#pragma once

#include <openssl/core.h>

namespace culvert::crypto {

/// A decoder for SubjectPublicKeyInfo with a key on a NIST prime curve, in the place of four objects and a curve that
/// OpenSSL 3.0 makes for each. It leaves everything else, and what is wrong, to the decoders beside it. `core`: the
/// functions that OpenSSL gave our provider; its key manager for EC must be ec_key_manager()'s.
OSSL_ALGORITHM ec_decoder(const OSSL_DISPATCH* core);

}  // namespace culvert::crypto
