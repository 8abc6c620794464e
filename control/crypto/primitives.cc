#include "control/crypto/primitives.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <sys/random.h>

#include <cerrno>
#include <climits>
#include <cstdlib>

#include "control/crypto/hasher.h"
#include "control/crypto/openssl.h"

namespace culvert::crypto {
namespace {

constexpr std::array<uint8_t, 32> kNoKey{};

/// A context of this thread: making one takes longer than encrypting a packet does. Between two uses its key is zero.
EVP_CIPHER_CTX* aes256_ctr_of_thread() {
  static const OwnedCipher cipher(EVP_CIPHER_fetch(nullptr, "AES-256-CTR", nullptr));
  thread_local OwnedCipherCtx context;
  if (context || !cipher) return context.get();
  context.reset(EVP_CIPHER_CTX_new());
  if (context && EVP_EncryptInit_ex2(context.get(), cipher.get(), kNoKey.data(), kNoKey.data(), nullptr) != 1)
    context.reset();
  return context.get();
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
  const HashFunction function = key.empty() ? HashFunction{} : hash_function(digest);
  if (function.digest == nullptr || out.size() < function.size) return false;
  const bool done = HmacKey(function, key).tag(parts, out);
  if (!done) ERR_clear_error();
  return done;
}

bool aes256_ctr(std::span<const uint8_t, 32> key, std::span<const uint8_t, 16> iv, Bytes in, std::span<uint8_t> out) {
  if (out.size() != in.size() || in.size() > INT_MAX) return false;
  if (in.empty()) return true;
  EVP_CIPHER_CTX* context = aes256_ctr_of_thread();
  int written = 0;
  bool done = context != nullptr && EVP_EncryptInit_ex2(context, nullptr, key.data(), iv.data(), nullptr) == 1 &&
              EVP_EncryptUpdate(context, out.data(), &written, in.data(), static_cast<int>(in.size())) == 1 &&
              static_cast<size_t>(written) == in.size();
  if (context != nullptr)
    done = EVP_EncryptInit_ex2(context, nullptr, kNoKey.data(), kNoKey.data(), nullptr) == 1 && done;
  if (!done) ERR_clear_error();
  return done;
}

bool sha256(Bytes data, std::span<uint8_t, 32> out) {
  const bool done = Hasher(hash_function(Digest::kSha256)).hash({data}, out);
  if (!done) ERR_clear_error();
  return done;
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
  while (!out.empty()) {
    const ssize_t got = getrandom(out.data(), out.size(), 0);
    if (got > 0)
      out = out.subspan(static_cast<size_t>(got));
    else if (got < 0 && errno != EINTR)
      std::abort();  // no key may ever be made of bytes that are not random
  }
}

}  // namespace culvert::crypto
