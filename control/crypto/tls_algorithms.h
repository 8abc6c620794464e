// Which of the default provider's algorithms TLS runs with. Inside this folder only.
#pragma once

#include <openssl/core.h>

#include <vector>

namespace culvert::crypto {

/// Ends with an entry of zeros, as OpenSSL wants it.
using AlgorithmTable = std::vector<OSSL_ALGORITHM>;

/// kOften: looked up in handshakes, kept by OpenSSL once it was asked for. kSeldom: looked up when a TlsContext is
/// made, or for a certificate with an unusual signature, and made anew then; OpenSSL does not walk over these.
/// kOtherKeys: for certificates whose keys are not EC keys.
enum class Use { kOften, kSeldom, kOtherKeys };

/// Of `all` algorithms that the default provider has for `operation` (OSSL_OP_…; null: none) those that TLS or the
/// certificates of TLS can use in that way, in their order. What cannot be used is left out because OpenSSL 3.0 walks
/// over all algorithms of all operations for each certificate that a peer sends.
AlgorithmTable tls_algorithms(Use use, int operation, const OSSL_ALGORITHM* all);

}  // namespace culvert::crypto
