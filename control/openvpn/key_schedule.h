// Keys of the data channel and of dynamic tls-crypt (ssl.c, generate_key_expansion_*; tls_crypt.c,
// tls_session_generate_dynamic_tls_crypt_key).
#pragma once

#include <cstdint>
#include <optional>

#include "control/crypto/primitives.h"
#include "control/openvpn/key_method2.h"
#include "control/openvpn/settings.h"
#include "control/openvpn/wrap.h"
#include "dataplane/abi/command.h"
#include "dataplane/wire/openvpn.h"

namespace culvert::crypto {
class TlsStream;
}

namespace culvert::openvpn {

/// Both directions of one side. Wiped on destruction.
struct DataKeys {
  abi::DirectionKey send{};
  abi::DirectionKey receive{};

  DataKeys() = default;
  DataKeys(const DataKeys&) = default;
  DataKeys& operator=(const DataKeys&) = default;
  ~DataKeys();
};

/// 256 bytes: two (cipher 64, HMAC 64) pairs; the client sends with the first.
using KeyBlock = crypto::Secret<256>;

/// Takes the halves apart: key from the cipher part; from the HMAC part the HMAC key, of whose first 8 bytes AEAD
/// ciphers make the implicit IV.
DataKeys split_key_block(const KeyBlock& block, Side side);

/// Legacy derivation: TLS 1.0's PRF over both sides' key-method-2 randoms. The second step uses the master secret and
/// appends both session IDs, client's first (the wire-protocol draft is wrong here, ssl.c decides). Nothing when MD5 is
/// forbidden here.
std::optional<KeyBlock> derive_with_prf(const KeySource& client, const KeySource& server,
                                        const wire::SessionId& client_session, const wire::SessionId& server_session);

/// TLS exporter, label EXPORTER-OpenVPN-datakeys (IV_PROTO bit 3, key-derivation tls-ekm). Nothing before TLS is
/// established.
std::optional<KeyBlock> derive_with_exporter(const crypto::TlsStream& tls);

/// kEpoch: the secret of epoch `to` from that of epoch 1 (openvpn-wire-protocol, epoch data keys). False when libcrypto
/// refuses.
[[nodiscard]] bool advance_epoch(std::array<uint8_t, 32>& secret, uint16_t to);

/// Key that wraps control packets of key-ids 1 to 7 once dynamic tls-crypt is negotiated: exporter, label
/// EXPORTER-OpenVPN-dynamic-tls-crypt, XORed with the key that the first negotiation was wrapped with (none: not
/// XORed). Use as WrapKey::tls_crypt(key, side) with a fresh replay state.
std::optional<StaticKey> derive_dynamic_tls_crypt(const crypto::TlsStream& tls, const StaticKey* original);

}  // namespace culvert::openvpn
