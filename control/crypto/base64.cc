#include "control/crypto/base64.h"

#include <openssl/evp.h>

#include <climits>

namespace culvert::crypto {

std::string base64_encode(std::span<const uint8_t> bytes) {
  if (bytes.size() > INT_MAX / 2) return {};
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // OpenSSL writes a NUL behind it
  int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(), int(bytes.size()));
  text.resize(size_t(length));
  return text;
}

std::optional<std::vector<uint8_t>> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0 || text.size() > INT_MAX / 2) return std::nullopt;
  if (text.empty()) return std::vector<uint8_t>();
  std::vector<uint8_t> bytes(text.size() / 4 * 3);
  int length = EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(text.data()), int(text.size()));
  if (length < 0) return std::nullopt;
  bytes.resize(size_t(length));
  // The length counts the bytes that padding stands for.
  for (size_t padding = 0; padding < 2 && text[text.size() - 1 - padding] == '='; ++padding) bytes.pop_back();
  // OpenSSL skips blanks at both ends and takes any bits behind the last byte.
  if (base64_encode(bytes) != text) return std::nullopt;
  return bytes;
}

}  // namespace culvert::crypto
