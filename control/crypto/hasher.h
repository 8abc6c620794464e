// Hashes and HMACs with one object of OpenSSL's for all of a computation. Inside this folder only.
#pragma once

#include <initializer_list>
#include <span>

#include "control/crypto/openssl.h"
#include "control/crypto/primitives.h"

namespace culvert::crypto {

inline constexpr size_t kMaxHashBlock = 128;

/// A hash function, looked up once. Digest null: there is none.
struct HashFunction {
  const EVP_MD* digest = nullptr;
  size_t size = 0;   ///< of a hash; at most kMaxDigestSize
  size_t block = 0;  ///< of its input: B in RFC 2104; at most kMaxHashBlock
};
HashFunction hash_function(Digest digest);

/// OpenSSL 3.0's HMAC makes three such objects and copies them, which takes longer than hashing a packet does. The
/// object's memory is wiped by OpenSSL when it is freed.
class Hasher {
 public:
  explicit Hasher(const HashFunction& function) : function_(function), context_(EVP_MD_CTX_new()) {}

  /// Of the parts as if they stood one after the other. `out` takes function.size bytes, may be longer, and may lie
  /// over the parts. False: libcrypto refuses; `out` is then undefined.
  [[nodiscard]] bool hash(std::initializer_list<Bytes> parts, std::span<uint8_t> out);
  /// RFC 2104, likewise.
  [[nodiscard]] bool hmac(Bytes key, std::initializer_list<Bytes> parts, std::span<uint8_t> out);

 private:
  bool begin();
  bool add(std::initializer_list<Bytes> parts);
  bool end(std::span<uint8_t> out);

  HashFunction function_;
  Owned<EVP_MD_CTX, EVP_MD_CTX_free> context_;
};

}  // namespace culvert::crypto
