// Hashes and HMACs with as little around libcrypto's compression functions as possible. Inside this folder only.
#pragma once

#include <openssl/sha.h>

#include <initializer_list>
#include <span>

#include "control/crypto/openssl.h"
#include "control/crypto/primitives.h"

namespace culvert::crypto {

inline constexpr size_t kMaxHashBlock = 128;

/// libcrypto's hash functions below EVP, which makes an object for each hash and asks three tables in each step: that
/// takes longer than hashing a packet does. A state is plain memory, so that copying it is cheap as well.
union HashState {
  SHA_CTX sha1;
  SHA256_CTX sha256;  ///< and SHA-224
  SHA512_CTX sha512;  ///< and SHA-384
};
struct DirectHash {
  int (*begin)(HashState&);
  int (*add)(HashState&, Bytes);
  int (*end)(HashState&, uint8_t* out);
};

/// A hash function, looked up once. Digest null: there is none.
struct HashFunction {
  const EVP_MD* digest = nullptr;
  const DirectHash* direct = nullptr;  ///< null: only EVP may be used, since openssl.cnf set up other providers
  size_t size = 0;                     ///< of a hash; at most kMaxDigestSize
  size_t block = 0;                    ///< of its input: B in RFC 2104; at most kMaxHashBlock
};
HashFunction hash_function(Digest digest);
/// The same without going below EVP.
HashFunction evp_hash_function(Digest digest);

/// One hash after the other; memory is wiped at the end.
class Hasher {
 public:
  explicit Hasher(const HashFunction& function);
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;
  ~Hasher();

  /// Of the parts as if they stood one after the other. `out` takes function.size bytes, may be longer, and may lie
  /// over the parts. False: libcrypto refuses; `out` is then undefined.
  [[nodiscard]] bool hash(std::initializer_list<Bytes> parts, std::span<uint8_t> out);

  // The same in steps.
  bool begin();
  bool add(std::initializer_list<Bytes> parts);
  bool end(std::span<uint8_t> out);
  /// Goes on where another of the same function is.
  bool resume(const Hasher& other);

 private:
  HashFunction function_;
  HashState state_;
  Owned<EVP_MD_CTX, EVP_MD_CTX_free> context_;  ///< when there is no direct function
};

/// HMACs (RFC 2104) with one key, which is hashed once for all of them.
class HmacKey {
 public:
  HmacKey(const HashFunction& function, Bytes key);

  /// Of the parts, as Hasher::hash().
  [[nodiscard]] bool tag(std::initializer_list<Bytes> parts, std::span<uint8_t> out);

 private:
  HashFunction function_;
  Hasher inner_;  ///< after the key's inner pad
  Hasher outer_;  ///< after its outer pad
  Hasher work_;
  bool good_ = true;
};

}  // namespace culvert::crypto
