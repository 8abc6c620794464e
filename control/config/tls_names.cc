#include "control/config/tls_names.h"

#include <algorithm>
#include <optional>

namespace culvert::config {
namespace {

template <class Each>
void for_each_word(std::string_view list, Each each) {
  while (true) {
    size_t colon = list.find(':');
    each(list.substr(0, colon));
    if (colon == std::string_view::npos) return;
    list.remove_prefix(colon + 1);
  }
}

/// "TLS-ECDHE-RSA-WITH-AES-256-GCM-SHA384" → "ECDHE-RSA-AES256-GCM-SHA384" (RFC 5289, RFC 7905; names as in
/// ciphers(1)).
std::optional<std::string> from_iana(std::string_view name) {
  size_t with = name.find("-WITH-");
  if (with == std::string_view::npos) return std::nullopt;
  std::string exchange(name.substr(4, with - 4));
  std::string cipher(name.substr(with + 6));
  for (std::string_view length : {"128", "256"}) {
    std::string dashed = "AES-" + std::string(length);
    if (cipher.starts_with(dashed)) cipher.replace(0, dashed.size(), "AES" + std::string(length));
  }
  // OpenSSL leaves the mode out of CBC names, and the digest out of ChaCha20-Poly1305 names.
  if (size_t cbc = cipher.find("-CBC-"); cbc != std::string::npos) cipher.erase(cbc, 4);
  if (cipher.starts_with("CHACHA20-POLY1305")) cipher = "CHACHA20-POLY1305";
  return exchange == "RSA" ? cipher : exchange + "-" + cipher;
}

}  // namespace

Result<std::string> openssl_cipher_list(std::string_view list) {
  std::string out;
  std::string bad;
  for_each_word(list, [&](std::string_view word) {
    std::string name(word);
    if (word.starts_with("TLS-") || word.starts_with("TLS_")) {
      std::ranges::replace(name, '_', '-');
      std::optional<std::string> translated = from_iana(name);
      if (!translated && bad.empty()) bad = word;
      name = translated.value_or("");
    }
    if (!out.empty()) out += ':';
    out += name;
  });
  if (bad.empty()) return out;
  return Error{"'" + bad +
               "' is not a cipher of TLS 1.2 such as TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384; those of TLS 1.3 go into "
               "tls-ciphersuites"};
}

std::string openssl_groups(std::string_view list) {
  std::string out;
  for_each_word(list, [&](std::string_view word) {
    if (!out.empty()) out += ':';
    if (word == "secp256r1") {
      out += "prime256v1";
    } else if (word == "secp192r1") {
      out += "prime192v1";
    } else {
      out += word;
    }
  });
  return out;
}

}  // namespace culvert::config
