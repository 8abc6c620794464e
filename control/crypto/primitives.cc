#include "control/crypto/primitives.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <sys/random.h>

#include <cerrno>
#include <climits>
#include <cstdlib>

#include "control/crypto/openssl.h"

namespace culvert::crypto {
namespace {

/// A context that knows its digest, to be copied: looking the digest up by name takes longer than hashing a packet
/// does, and a flood of first packets must stay cheap. Its key is zero.
OwnedMacCtx make_hmac_template(Digest digest) {
  OwnedMac mac(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
  OwnedMacCtx context(mac ? EVP_MAC_CTX_new(mac.get()) : nullptr);
  if (!context) return nullptr;
  std::string name(digest_name(digest));
  const std::array params = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), 0),
                             OSSL_PARAM_construct_end()};
  const std::array<uint8_t, kMaxDigestSize> zero{};
  if (EVP_MAC_init(context.get(), zero.data(), digest_size(digest), params.data()) != 1) return nullptr;
  return context;
}

EVP_MAC_CTX* hmac_template(Digest digest) {
  static const std::array templates = {make_hmac_template(Digest::kSha1), make_hmac_template(Digest::kSha224),
                                       make_hmac_template(Digest::kSha256), make_hmac_template(Digest::kSha384),
                                       make_hmac_template(Digest::kSha512)};
  size_t index = static_cast<size_t>(digest) - 1;
  return index < templates.size() ? templates[index].get() : nullptr;
}

}  // namespace

void wipe(std::span<uint8_t> secret) {
  if (!secret.empty()) OPENSSL_cleanse(secret.data(), secret.size());
}

void wipe(std::string& secret) {
  // The whole capacity: a shrunk string leaves its tail behind.
  secret.resize(secret.capacity());
  if (!secret.empty()) OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

void wipe(std::vector<uint8_t>& secret) {
  secret.resize(secret.capacity());
  wipe(std::span<uint8_t>(secret));
  secret.clear();
}

bool equal_constant_time(Bytes a, Bytes b) {
  return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

bool hmac(Digest digest, Bytes key, std::initializer_list<Bytes> parts, std::span<uint8_t> out) {
  const EVP_MAC_CTX* prepared = hmac_template(digest);
  // OpenSSL takes an empty key for "the key of before".
  if (prepared == nullptr || key.empty() || out.size() < digest_size(digest)) return false;
  OwnedMacCtx context(EVP_MAC_CTX_dup(prepared));
  bool done = context && EVP_MAC_init(context.get(), key.data(), key.size(), nullptr) == 1;
  for (Bytes part : parts)
    done = done && (part.empty() || EVP_MAC_update(context.get(), part.data(), part.size()) == 1);
  size_t written = 0;
  done = done && EVP_MAC_final(context.get(), out.data(), &written, out.size()) == 1 && written == digest_size(digest);
  if (!done) ERR_clear_error();
  return done;
}

bool aes256_ctr(std::span<const uint8_t, 32> key, std::span<const uint8_t, 16> iv, Bytes in, std::span<uint8_t> out) {
  static const OwnedCipher cipher(EVP_CIPHER_fetch(nullptr, "AES-256-CTR", nullptr));
  if (!cipher || out.size() != in.size() || in.size() > INT_MAX) return false;
  if (in.empty()) return true;
  OwnedCipherCtx context(EVP_CIPHER_CTX_new());
  int written = 0;
  bool done = context && EVP_EncryptInit_ex2(context.get(), cipher.get(), key.data(), iv.data(), nullptr) == 1 &&
              EVP_EncryptUpdate(context.get(), out.data(), &written, in.data(), static_cast<int>(in.size())) == 1 &&
              static_cast<size_t>(written) == in.size();
  if (!done) ERR_clear_error();
  return done;
}

bool sha256(Bytes data, std::span<uint8_t, 32> out) {
  size_t written = 0;
  bool done = EVP_Q_digest(nullptr, "SHA256", nullptr, data.data(), data.size(), out.data(), &written) == 1;
  if (!done) ERR_clear_error();
  return done && written == out.size();
}

bool tls1_prf(Bytes secret, std::initializer_list<Bytes> seed, std::span<uint8_t> out) {
  OwnedKdf kdf(EVP_KDF_fetch(nullptr, OSSL_KDF_NAME_TLS1_PRF, nullptr));
  OwnedKdfCtx context(kdf ? EVP_KDF_CTX_new(kdf.get()) : nullptr);
  if (!context) {
    ERR_clear_error();
    return false;
  }
  std::vector<uint8_t> whole_seed;
  for (Bytes part : seed) whole_seed.insert(whole_seed.end(), part.begin(), part.end());
  std::vector<uint8_t> secret_copy(secret.begin(), secret.end());
  std::string digest = "MD5-SHA1";
  const std::array params = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, secret_copy.data(), secret_copy.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, whole_seed.data(), whole_seed.size()),
      OSSL_PARAM_construct_end()};
  bool done = EVP_KDF_derive(context.get(), out.data(), out.size(), params.data()) == 1;
  wipe(secret_copy);
  if (!done) ERR_clear_error();
  return done;
}

void SystemRandom::fill(std::span<uint8_t> out) {
  if (out.empty() || (out.size() <= INT_MAX && RAND_bytes(out.data(), static_cast<int>(out.size())) == 1)) return;
  ERR_clear_error();
  // OpenSSL's generator failed (it needs memory to start); the kernel's does not fail on a system that has booted.
  for (size_t filled = 0; filled < out.size();) {
    ssize_t got = getrandom(out.data() + filled, out.size() - filled, 0);
    if (got > 0)
      filled += static_cast<size_t>(got);
    else if (errno != EINTR)
      std::abort();  // no key may ever be made of bytes that are not random
  }
}

}  // namespace culvert::crypto
