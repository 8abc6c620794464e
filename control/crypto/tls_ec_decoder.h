// Reads the EC key of a certificate. Inside this folder only.
#pragma once

#include <openssl/core.h>

namespace culvert::crypto {

/// Stands in for OpenSSL's decoder `original` of SubjectPublicKeyInfo with an EC key: reads keys on NIST prime curves,
/// for each of which OpenSSL 3.0 makes four objects and a curve, and hands everything else, and what is wrong, to the
/// original. (One decoder, not two side by side, because OpenSSL sets up all that fit before it runs the first.)
/// `core`: the functions that OpenSSL gave our provider; its key manager for EC must be ec_key_manager()'s. May be
/// called once.
OSSL_ALGORITHM ec_decoder(const OSSL_ALGORITHM& original, const OSSL_DISPATCH* core);

}  // namespace culvert::crypto
