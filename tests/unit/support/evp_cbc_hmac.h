// AES-CBC with HMAC by OpenSSL: what the dataplane's results are compared with. Tests only.
#pragma once

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/abi/command.h"

namespace culvert::testing {

struct EvpCbcHmac {
  using Bytes = std::vector<uint8_t>;
  using Iv = std::array<uint8_t, 16>;

  abi::Cipher cipher;
  abi::Digest digest;
  abi::DirectionKey key;

  /// HMAC, IV and ciphertext of `plain`, which OpenSSL pads.
  Bytes seal(std::span<const uint8_t> plain, const Iv& iv) const { return authenticate(encrypt(plain, iv, true), iv); }
  /// Likewise of whole blocks as they are: for padding that no correct sender writes.
  Bytes seal_unpadded(std::span<const uint8_t> blocks, const Iv& iv) const {
    return authenticate(encrypt(blocks, iv, false), iv);
  }

  /// Nothing when HMAC or padding are wrong.
  std::optional<Bytes> open(std::span<const uint8_t> sealed) const {
    size_t tag_size = abi::digest_size(digest);
    if (sealed.size() < tag_size + 32) return std::nullopt;
    Bytes expected = hmac(sealed.subspan(tag_size));
    if (!std::equal(expected.begin(), expected.end(), sealed.begin())) return std::nullopt;
    std::span<const uint8_t> iv = sealed.subspan(tag_size, 16), text = sealed.subspan(tag_size + 16);
    Context context(EVP_CIPHER_CTX_new());
    EVP_CipherInit_ex(context.get(), type(), nullptr, key.key.data(), iv.data(), 0);
    Bytes plain(text.size() + 16);
    int length = 0, rest = 0;
    EVP_CipherUpdate(context.get(), plain.data(), &length, text.data(), static_cast<int>(text.size()));
    if (EVP_CipherFinal_ex(context.get(), plain.data() + length, &rest) != 1) return std::nullopt;
    plain.resize(static_cast<size_t>(length + rest));
    return plain;
  }

  Bytes hmac(std::span<const uint8_t> bytes) const {
    Bytes tag(abi::digest_size(digest));
    unsigned length = 0;
    HMAC(md(), key.hmac.data(), static_cast<int>(tag.size()), bytes.data(), bytes.size(), tag.data(), &length);
    return tag;
  }

 private:
  struct Free {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
  };
  using Context = std::unique_ptr<EVP_CIPHER_CTX, Free>;

  const EVP_CIPHER* type() const {
    return cipher == abi::Cipher::kAes128Cbc   ? EVP_aes_128_cbc()
           : cipher == abi::Cipher::kAes192Cbc ? EVP_aes_192_cbc()
                                               : EVP_aes_256_cbc();
  }
  const EVP_MD* md() const {
    switch (digest) {
      case abi::Digest::kSha1:
        return EVP_sha1();
      case abi::Digest::kSha224:
        return EVP_sha224();
      case abi::Digest::kSha256:
        return EVP_sha256();
      case abi::Digest::kSha384:
        return EVP_sha384();
      default:
        return EVP_sha512();
    }
  }
  Bytes encrypt(std::span<const uint8_t> plain, const Iv& iv, bool pad) const {
    Context context(EVP_CIPHER_CTX_new());
    EVP_CipherInit_ex(context.get(), type(), nullptr, key.key.data(), iv.data(), 1);
    EVP_CIPHER_CTX_set_padding(context.get(), pad ? 1 : 0);
    Bytes text(plain.size() + 16);
    int length = 0, rest = 0;
    EVP_CipherUpdate(context.get(), text.data(), &length, plain.data(), static_cast<int>(plain.size()));
    EVP_CipherFinal_ex(context.get(), text.data() + length, &rest);
    text.resize(static_cast<size_t>(length + rest));
    return text;
  }
  Bytes authenticate(const Bytes& text, const Iv& iv) const {
    Bytes body(iv.begin(), iv.end());
    body.insert(body.end(), text.begin(), text.end());
    Bytes packet = hmac(body);
    packet.insert(packet.end(), body.begin(), body.end());
    return packet;
  }
};

}  // namespace culvert::testing
