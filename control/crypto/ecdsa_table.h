// ECDSA signatures of one P-256 key that is used again and again. Inside this folder only.
#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <memory>
#include <span>

namespace culvert::crypto {

/// Verifies signatures of one key with a table of its multiples, in less than half the time of ECDSA_verify() while the
/// table is in the processor's cache. OpenSSL has such a table for the curve's generator only, yet makes one for
/// whatever point is set as the generator of a group: all arithmetic is OpenSSL's, here stands the equation alone.
class EcdsaTable {
 public:
  /// Of the public key; tables of the same key are one while any is in use, since making one takes some 50 ms (and
  /// 150 KiB). Null: not a key on P-256 by its name, or memory is short.
  static std::shared_ptr<const EcdsaTable> of(EVP_PKEY* key);
  ~EcdsaTable();

  /// Is `signature` (the DER of ECDSA-Sig-Value, RFC 3279, section 2.2.3) one of this key on `digest` (FIPS 186-4,
  /// section 6.4)? True only where ECDSA_verify() says so too; false also when memory is short. Leaves no errors in
  /// OpenSSL's queue.
  bool verifies(std::span<const uint8_t, 32> digest, std::span<const uint8_t> signature) const;

 private:
  struct Curves;
  explicit EcdsaTable(std::unique_ptr<const Curves> curves);
  std::unique_ptr<const Curves> curves_;
};

}  // namespace culvert::crypto
