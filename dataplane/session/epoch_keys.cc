#include "dataplane/session/epoch_keys.h"

#include <cstring>
#include <span>
#include <string_view>

#include "dataplane/crypto/wipe.h"

namespace culvert::session {
namespace {

using Block = std::array<uint8_t, 32>;

/// OVPN-Expand-Label with an empty context, of at most one block of SHA-256: the first `size` bytes of the result
/// count.
Block expand_label(aead::Engine& aead, const Block& secret, std::string_view label, uint8_t size) {
  constexpr std::string_view kPrefix = "ovpn ";
  std::array<uint8_t, 64> info{};
  size_t at = 0;
  auto put = [&](auto value) { info[at++] = static_cast<uint8_t>(value); };
  put(0), put(size);  // 16 bits
  put(kPrefix.size() + label.size());
  for (std::string_view part : {kPrefix, label})
    for (char c : part) put(c);
  put(0);  // length of the context
  put(1);  // number of the block (RFC 5869)
  Block out;
  aead.hmac_sha256(secret, std::span(info).first(at), out);
  return out;
}

uint8_t key_size(abi::Cipher cipher) {
  return cipher == abi::Cipher::kAes128Gcm ? 16 : cipher == abi::Cipher::kAes192Gcm ? 24 : 32;
}

}  // namespace

void advance(aead::Engine& aead, EpochSecret& secret) {
  secret.bytes = expand_label(aead, secret.bytes, "datakey upd", 32);
  ++secret.epoch;
}

void derive(aead::Engine& aead, const EpochSecret& secret, abi::Cipher cipher, aead::Key& key, EpochIv& iv) {
  Block bytes = expand_label(aead, secret.bytes, "data_key", key_size(cipher));
  aead.expand(cipher, bytes, key);
  bytes = expand_label(aead, secret.bytes, "data_iv", static_cast<uint8_t>(iv.size()));
  std::memcpy(iv.data(), bytes.data(), iv.size());
  aead::wipe(bytes);
}

}  // namespace culvert::session
