// EC keys of TLS: OpenSSL's, with less work for the NIST prime curves. Inside this folder only.
#pragma once

#include <openssl/core.h>
#include <openssl/core_dispatch.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace culvert::crypto {

/// The functions that stand in for OpenSSL's key manager `original` for EC keys (OSSL_FUNC_KEYMGMT_…), whose provider
/// has the context `provider`. May be called once: the functions that are stood in for are kept in one place.
///
/// - A peer's ephemeral key is checked as RFC 8446, section 4.2.8.2, asks for: not the point at infinity, coordinates
/// in
///   range, on the curve. OpenSSL 3.0 multiplies the point by the order of the group on top, as long a computation as
///   the key agreement itself, which finds nothing more where the cofactor is 1.
/// - A key that is made takes its curve from one that is kept; OpenSSL 3.0 computes it anew for every key. A generation
///   may name its curve once, as libssl does.
const OSSL_DISPATCH* ec_key_manager(const OSSL_DISPATCH* original, void* provider);

/// A key manager's key from the DER of a SubjectPublicKeyInfo (RFC 5480) whose point is uncompressed, for P-256, P-384
/// and P-521. Null: it is something else, or no point of the curve. Whoever gets it owns it: free_ec_key(), or
/// EcReference.
void* read_ec_key(std::span<const uint8_t> info);
void free_ec_key(void* key);

/// What ec_key_manager()'s "load" takes over a key from; its size tells it from OpenSSL's own references.
struct EcReference {
  void* key = nullptr;  ///< null once it was taken
  const void* kind = nullptr;
};
EcReference refer_to_ec_key(void* key);

inline constexpr size_t kMaxEcKeyInfo = 158;  ///< bytes of the longest SubjectPublicKeyInfo that read_ec_key() knows

}  // namespace culvert::crypto
