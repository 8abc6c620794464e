// HMAC keys that are used several times in one go. Inside this folder only.
#pragma once

#include <optional>

#include "control/crypto/hasher.h"

namespace culvert::crypto {

/// While one lives, the TLS 1.3 derivations of its thread keep the last two secrets that they derived from, hashed as
/// HMAC keys: libssl derives up to four things from each secret, one right behind the other, and hashing the key is
/// half of an HMAC's work. It is to live no longer than one call of OpenSSL, after which everything is wiped, so that
/// no secret outlives its connection here. They nest; the innermost counts.
class RecentKeys {
 public:
  RecentKeys() : before_(of_thread_) { of_thread_ = this; }
  RecentKeys(const RecentKeys&) = delete;
  RecentKeys& operator=(const RecentKeys&) = delete;
  ~RecentKeys() { of_thread_ = before_; }

  /// This thread's; null: none lives.
  static RecentKeys* of_thread() { return of_thread_; }

  /// Of a secret that is at most one block long. Valid until the next call.
  HmacKey& hmac(const HashFunction& function, Bytes secret);

 private:
  struct Key {
    Key(const HashFunction& function, Bytes secret);
    bool is_of(const HashFunction& function, Bytes secret) const;

    const EVP_MD* digest;
    Secret<kMaxHashBlock> secret;
    size_t size;
    HmacKey hmac;
  };

  static thread_local RecentKeys* of_thread_;
  RecentKeys* before_;
  std::array<std::optional<Key>, 2> keys_;
  size_t newest_ = 0;  ///< index of the key that was used last
};

}  // namespace culvert::crypto
