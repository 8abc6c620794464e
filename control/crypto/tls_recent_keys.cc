#include "control/crypto/tls_recent_keys.h"

#include <algorithm>

namespace culvert::crypto {

thread_local RecentKeys* RecentKeys::of_thread_ = nullptr;

RecentKeys::Key::Key(const HashFunction& function, Bytes bytes)
    : digest(function.digest), size(bytes.size()), hmac(function, bytes) {
  std::ranges::copy(bytes, secret.bytes().begin());
}

bool RecentKeys::Key::is_of(const HashFunction& function, Bytes bytes) const {
  return digest == function.digest && equal_constant_time(secret.span().first(size), bytes);
}

HmacKey& RecentKeys::hmac(const HashFunction& function, Bytes secret) {
  for (size_t at = 0; at < keys_.size(); ++at) {
    if (!keys_[at] || !keys_[at]->is_of(function, secret)) continue;
    newest_ = at;
    return keys_[at]->hmac;
  }
  newest_ = 1 - newest_;
  return keys_[newest_].emplace(function, secret).hmac;
}

}  // namespace culvert::crypto
