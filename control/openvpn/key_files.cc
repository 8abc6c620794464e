#include "control/openvpn/key_files.h"

#include <algorithm>

#include "control/crypto/pem.h"
#include "control/crypto/primitives.h"

namespace culvert::openvpn {
namespace {

constexpr std::string_view kStaticKeyLabel = "OpenVPN Static key V1";
constexpr std::string_view kServerKeyLabel = "OpenVPN tls-crypt-v2 server key";
constexpr std::string_view kClientKeyLabel = "OpenVPN tls-crypt-v2 client key";

constexpr std::string_view kTokenKeyLabel = "OpenVPN auth-token server key";

// The file holds the reference's `struct key`: room for a cipher's key, then for an HMAC's, 64 bytes each. HMAC-SHA256
// takes the first 32 of the latter (crypto.c, init_key_ctx).
constexpr size_t kTokenFileSize = 128;
constexpr size_t kTokenKeyAt = 64;

/// Says which directive a key file belongs to that was given to another one. Empty when the text is none of ours.
std::string what_it_is(std::string_view text) {
  auto has = [text](std::string_view label) { return text.find("-----BEGIN " + std::string(label)) != text.npos; };
  if (has(kStaticKeyLabel)) return "this is a static key, for tls-auth or tls-crypt";
  if (has(kServerKeyLabel)) return "this is the server's key, for tls-crypt-v2 of a server";
  if (has(kClientKeyLabel)) return "this is a client's key, for tls-crypt-v2 of a client";
  if (has(kTokenKeyLabel)) return "this is a secret for auth-gen-token-secret";
  if (has("")) return "this is another kind of PEM file, perhaps a certificate or its private key";
  return {};
}

Error not_a(std::string_view label, std::string_view text, std::string detail) {
  std::string kind = what_it_is(text);
  const bool right_kind = text.find("-----BEGIN " + std::string(label)) != text.npos;
  if (!kind.empty() && !right_kind) return Error{"not an \"" + std::string(label) + "\" file: " + kind};
  return Error{"damaged \"" + std::string(label) + "\" file: " + std::move(detail)};
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

}  // namespace

Result<StaticKey> parse_static_key(std::string_view text) {
  const std::string begin = "-----BEGIN " + std::string(kStaticKeyLabel) + "-----";
  const std::string end = "-----END " + std::string(kStaticKeyLabel) + "-----";
  size_t start = text.find(begin);
  if (start == text.npos) return not_a(kStaticKeyLabel, text, "no line \"" + begin + "\"");
  start += begin.size();
  const size_t stop = text.find(end, start);
  if (stop == text.npos) return not_a(kStaticKeyLabel, text, "no line \"" + end + "\" at its end");

  crypto::Secret<256> key;
  size_t digits = 0;
  for (char c : text.substr(start, stop - start)) {
    if (is_space(c)) continue;
    const int value = hex_value(c);
    if (value < 0) return not_a(kStaticKeyLabel, text, "something in it is not a hexadecimal digit");
    if (digits / 2 == key.size()) return not_a(kStaticKeyLabel, text, "more than 512 hexadecimal digits");
    uint8_t& byte = key.data()[digits / 2];
    byte = static_cast<uint8_t>(byte << 4 | value);
    ++digits;
  }
  if (digits != 2 * key.size())
    return not_a(kStaticKeyLabel, text, std::to_string(digits) + " hexadecimal digits instead of 512: cut off?");
  const auto& bytes = key.bytes();
  if (std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; }))
    return not_a(kStaticKeyLabel, text, "the key is all zero");
  return bytes;
}

std::string write_static_key(const StaticKey& key) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  constexpr size_t kPerLine = 16;
  std::string text = "#\n# 2048 bit OpenVPN static key\n#\n-----BEGIN " + std::string(kStaticKeyLabel) + "-----\n";
  text.reserve(text.size() + key.size() * 2 + 64);  // no reallocation: it would leave key bytes behind
  for (size_t i = 0; i < key.size(); ++i) {
    text += kDigits[key[i] >> 4];
    text += kDigits[key[i] & 15];
    if (i % kPerLine == kPerLine - 1) text += '\n';
  }
  return text + "-----END " + std::string(kStaticKeyLabel) + "-----\n";
}

Result<TlsCryptV2ServerKey> parse_tls_crypt_v2_server_key(std::string_view text) {
  auto bytes = crypto::pem_decode(kServerKeyLabel, text);
  if (!bytes) return not_a(kServerKeyLabel, text, bytes.error());
  TlsCryptV2ServerKey key;
  if (bytes->size() != key.size()) {
    crypto::wipe(*bytes);
    return not_a(kServerKeyLabel, text, "it does not hold " + std::to_string(key.size()) + " bytes");
  }
  std::copy(bytes->begin(), bytes->end(), key.begin());
  crypto::wipe(*bytes);
  return key;
}

Result<std::string> write_tls_crypt_v2_server_key(const TlsCryptV2ServerKey& key) {
  return crypto::pem_encode(kServerKeyLabel, key);
}

Result<ClientKeyFile> parse_tls_crypt_v2_client_key(std::string_view text) {
  auto bytes = crypto::pem_decode(kClientKeyLabel, text);
  if (!bytes) return not_a(kClientKeyLabel, text, bytes.error());
  ClientKeyFile file;
  const bool fits = bytes->size() >= file.key.size() + kMinWrappedClientKey &&
                    bytes->size() <= file.key.size() + kMaxWrappedClientKey;
  if (fits) {
    std::copy_n(bytes->begin(), file.key.size(), file.key.begin());
    file.wrapped.assign(bytes->begin() + file.key.size(), bytes->end());
  }
  crypto::wipe(*bytes);
  if (!fits) return not_a(kClientKeyLabel, text, "its length is not that of a client key and its wrapped copy");
  return file;
}

Result<std::string> write_tls_crypt_v2_client_key(const ClientKeyFile& file) {
  std::vector<uint8_t> bytes(file.key.size() + file.wrapped.size());
  std::copy(file.key.begin(), file.key.end(), bytes.begin());
  std::copy(file.wrapped.begin(), file.wrapped.end(), bytes.begin() + file.key.size());
  auto text = crypto::pem_encode(kClientKeyLabel, bytes);
  crypto::wipe(bytes);
  return text;
}

Result<AuthTokenKey> parse_auth_token_key(std::string_view text) {
  auto bytes = crypto::pem_decode(kTokenKeyLabel, text);
  if (!bytes) return not_a(kTokenKeyLabel, text, bytes.error());
  AuthTokenKey key{};
  const bool fits = bytes->size() >= kTokenFileSize;
  if (fits) std::copy_n(bytes->begin() + kTokenKeyAt, key.size(), key.begin());
  crypto::wipe(*bytes);
  if (!fits) return not_a(kTokenKeyLabel, text, "it does not hold " + std::to_string(kTokenFileSize) + " bytes");
  return key;
}

Result<std::string> make_auth_token_key(Random& random) {
  crypto::Secret<kTokenFileSize> key;
  random.fill(key.span());
  return crypto::pem_encode(kTokenKeyLabel, key.span());
}

StaticKey make_static_key(Random& random) {
  StaticKey key;
  random.fill(key);
  return key;
}

TlsCryptV2ServerKey make_tls_crypt_v2_server_key(Random& random) {
  TlsCryptV2ServerKey key;
  random.fill(key);
  return key;
}

Result<ClientKeyFile> make_tls_crypt_v2_client_key(const TlsCryptV2ServerKey& server_key, Random& random,
                                                   std::chrono::sys_seconds now) {
  ClientKeyFile file;
  random.fill(file.key);
  auto wrapped = wrap_client_key(server_key, file.key, timestamp_metadata(now));
  if (!wrapped) return Error{wrapped.error()};
  file.wrapped = std::move(*wrapped);
  return file;
}

}  // namespace culvert::openvpn
