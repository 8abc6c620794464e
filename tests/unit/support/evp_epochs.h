// Data packets under epoch keys by OpenSSL, written down once more from the wire-protocol document. Tests only.
#pragma once

#include <openssl/hmac.h>

#include <array>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tests/unit/support/evp_aead.h"

namespace culvert::testing {

struct EvpEpochs {
  using Bytes = std::vector<uint8_t>;

  abi::Cipher cipher;
  std::array<uint8_t, 32> first_secret;  ///< of epoch 1

  static Bytes expand_label(const Bytes& secret, const std::string& label, uint8_t size) {
    std::string full = "ovpn " + label;
    Bytes info = {0, size, static_cast<uint8_t>(full.size())};
    info.insert(info.end(), full.begin(), full.end());
    info.insert(info.end(), {0, 1});
    Bytes out(32);
    unsigned length = 0;
    HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), info.data(), info.size(), out.data(), &length);
    out.resize(size);
    return out;
  }

  /// What follows opcode and peer-id, which are `front` (4 bytes).
  Bytes seal(const Bytes& front, uint64_t packet_id, std::span<const uint8_t> inner) const {
    Bytes packet = front;
    for (int shift = 56; shift >= 0; shift -= 8) packet.push_back(static_cast<uint8_t>(packet_id >> shift));
    Key key = key_of(packet_id);
    auto sealed = EvpAead{cipher, key.bytes}.seal(key.nonce, packet, inner);
    packet.insert(packet.end(), sealed.text.begin(), sealed.text.end());
    packet.insert(packet.end(), sealed.tag.begin(), sealed.tag.end());
    return packet;
  }
  struct Opened {
    uint64_t packet_id;
    Bytes inner;
  };
  std::optional<Opened> open(std::span<const uint8_t> packet) const {
    if (packet.size() < 28) return std::nullopt;
    uint64_t packet_id = 0;
    for (uint8_t byte : packet.subspan(4, 8)) packet_id = packet_id << 8 | byte;
    if (packet_id >> 48 == 0) return std::nullopt;
    Key key = key_of(packet_id);
    std::array<uint8_t, 16> tag;
    std::copy(packet.end() - 16, packet.end(), tag.begin());
    auto inner =
        EvpAead{cipher, key.bytes}.open(key.nonce, packet.first(12), packet.subspan(12, packet.size() - 28), tag);
    if (!inner) return std::nullopt;
    return Opened{packet_id, *inner};
  }

 private:
  struct Key {
    std::array<uint8_t, 32> bytes{};
    Bytes nonce;
  };
  Key key_of(uint64_t packet_id) const {
    Bytes secret(first_secret.begin(), first_secret.end());
    for (uint64_t epoch = 1; epoch < packet_id >> 48; ++epoch) secret = expand_label(secret, "datakey upd", 32);
    Key key;
    uint8_t size = cipher == abi::Cipher::kAes128Gcm ? 16 : cipher == abi::Cipher::kAes192Gcm ? 24 : 32;
    Bytes bytes = expand_label(secret, "data_key", size);
    std::copy(bytes.begin(), bytes.end(), key.bytes.begin());
    key.nonce = expand_label(secret, "data_iv", 12);
    for (size_t i = 0; i < 8; ++i)
      key.nonce[i] = static_cast<uint8_t>(key.nonce[i] ^ static_cast<uint8_t>(packet_id >> (56 - 8 * i)));
    return key;
  }
};

}  // namespace culvert::testing
