#include "control/openvpn/key_schedule.h"

#include <algorithm>

#include "control/crypto/tls.h"
#include "control/openvpn/key_layout.h"

namespace culvert::openvpn {
namespace {

using crypto::bytes_of;

constexpr size_t kImplicitIvSize = 8;  // nonce without the packet-id (crypto.c, key_ctx_update_implicit_iv)

constexpr std::string_view kDataKeysLabel = "EXPORTER-OpenVPN-datakeys";
constexpr std::string_view kDynamicTlsCryptLabel = "EXPORTER-OpenVPN-dynamic-tls-crypt";

abi::DirectionKey take_half(const KeyBlock& block, size_t half) {
  abi::DirectionKey key{};
  auto begin = block.bytes().begin() + half * kHalf;
  std::copy_n(begin, key.key.size(), key.key.begin());
  std::copy_n(begin + kCipherPart, kImplicitIvSize, key.implicit_iv.begin());
  std::copy_n(begin + kCipherPart, key.hmac.size(), key.hmac.begin());
  return key;
}

}  // namespace

DataKeys::~DataKeys() {
  for (abi::DirectionKey* direction : {&send, &receive}) {
    crypto::wipe(direction->key);
    crypto::wipe(direction->implicit_iv);
    crypto::wipe(direction->hmac);
  }
}

DataKeys split_key_block(const KeyBlock& block, Side side) {
  DataKeys keys;
  // ssl.c, init_key_contexts: the client has direction "normal", so it sends with the first half.
  keys.send = take_half(block, side == Side::kClient ? 0 : 1);
  keys.receive = take_half(block, side == Side::kClient ? 1 : 0);
  return keys;
}

std::optional<KeyBlock> derive_with_prf(const KeySource& client, const KeySource& server,
                                        const wire::SessionId& client_session, const wire::SessionId& server_session) {
  crypto::Secret<48> master;
  std::optional<KeyBlock> block(std::in_place);
  if (!crypto::tls1_prf(client.pre_master.span(),
                        {bytes_of("OpenVPN master secret"), client.random1.span(), server.random1.span()},
                        master.span()) ||
      !crypto::tls1_prf(master.span(),
                        {bytes_of("OpenVPN key expansion"), client.random2.span(), server.random2.span(),
                         client_session, server_session},
                        block->span()))
    return std::nullopt;
  return block;
}

std::optional<KeyBlock> derive_with_exporter(const crypto::TlsStream& tls) {
  std::optional<KeyBlock> block(std::in_place);
  if (!tls.export_keying_material(kDataKeysLabel, block->span())) return std::nullopt;
  return block;
}

bool advance_epoch(std::array<uint8_t, 32>& secret, uint16_t to) {
  // HKDF-Expand of one block: length, label and empty context as in TLS 1.3, then the number of the block.
  constexpr std::string_view kLabel = "ovpn datakey upd";
  constexpr std::array<uint8_t, 3> kHead = {0, 32, kLabel.size()};
  constexpr std::array<uint8_t, 2> kTail = {0, 1};
  for (uint32_t epoch = 1; epoch < to; ++epoch) {
    std::array<uint8_t, 32> next;
    bool made = crypto::hmac(Digest::kSha256, secret, {kHead, bytes_of(kLabel), kTail}, next);
    secret = next;
    crypto::wipe(next);
    if (!made) return false;
  }
  return true;
}

std::optional<StaticKey> derive_dynamic_tls_crypt(const crypto::TlsStream& tls, const StaticKey* original) {
  StaticKey key;
  if (!tls.export_keying_material(kDynamicTlsCryptLabel, key)) return std::nullopt;
  if (original != nullptr)
    std::transform(key.begin(), key.end(), original->begin(), key.begin(),
                   [](uint8_t a, uint8_t b) { return static_cast<uint8_t>(a ^ b); });
  return key;
}

}  // namespace culvert::openvpn
