// AEAD by OpenSSL: what the dataplane's results are compared with. Tests only.
#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/abi/command.h"

namespace culvert::testing {

struct EvpAead {
  abi::Cipher cipher;
  std::array<uint8_t, 32> key;

  struct Sealed {
    std::vector<uint8_t> text;
    std::array<uint8_t, 16> tag;
  };

  Sealed seal(std::span<const uint8_t> nonce, std::span<const uint8_t> aad, std::span<const uint8_t> text) const {
    auto context = start(nonce, aad, 1);
    Sealed out{std::vector<uint8_t>(text.size()), {}};
    int length = 0;
    EVP_CipherUpdate(context.get(), out.text.data(), &length, text.data(), static_cast<int>(text.size()));
    EVP_CipherFinal_ex(context.get(), out.text.data() + length, &length);
    EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, 16, out.tag.data());
    return out;
  }

  /// Nothing when the tag is wrong.
  std::optional<std::vector<uint8_t>> open(std::span<const uint8_t> nonce, std::span<const uint8_t> aad,
                                           std::span<const uint8_t> text, std::array<uint8_t, 16> tag) const {
    auto context = start(nonce, aad, 0);
    std::vector<uint8_t> out(text.size() + 16);
    int length = 0;
    EVP_CipherUpdate(context.get(), out.data(), &length, text.data(), static_cast<int>(text.size()));
    EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, 16, tag.data());
    if (EVP_CipherFinal_ex(context.get(), out.data() + length, &length) != 1) return std::nullopt;
    out.resize(text.size());
    return out;
  }

 private:
  struct Free {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
  };

  std::unique_ptr<EVP_CIPHER_CTX, Free> start(std::span<const uint8_t> nonce, std::span<const uint8_t> aad,
                                              int encrypt) const {
    std::unique_ptr<EVP_CIPHER_CTX, Free> context(EVP_CIPHER_CTX_new());
    const EVP_CIPHER* type = cipher == abi::Cipher::kAes128Gcm   ? EVP_aes_128_gcm()
                             : cipher == abi::Cipher::kAes192Gcm ? EVP_aes_192_gcm()
                             : cipher == abi::Cipher::kAes256Gcm ? EVP_aes_256_gcm()
                                                                 : EVP_chacha20_poly1305();
    EVP_CipherInit_ex(context.get(), type, nullptr, key.data(), nonce.data(), encrypt);
    int length = 0;
    EVP_CipherUpdate(context.get(), nullptr, &length, aad.data(), static_cast<int>(aad.size()));
    return context;
  }
};

}  // namespace culvert::testing
