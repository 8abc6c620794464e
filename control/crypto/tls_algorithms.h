// Which of the default provider's algorithms TLS runs with. Inside this folder only.
#pragma once

#include <openssl/core.h>

#include <vector>

namespace culvert::crypto {

/// Ends with an entry of zeros, as OpenSSL wants it.
using AlgorithmTable = std::vector<OSSL_ALGORITHM>;

/// Of `all` algorithms that the default provider has for `operation` (OSSL_OP_…; null: none) those that TLS or the
/// certificates of TLS can use, in their order. What cannot be used is left out because OpenSSL 3.0 walks over all
/// algorithms of all operations for each certificate that a peer sends.
AlgorithmTable tls_algorithms(int operation, const OSSL_ALGORITHM* all);

}  // namespace culvert::crypto
