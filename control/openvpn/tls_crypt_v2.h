// tls-crypt-v2: each client has a tls-crypt key of its own (Kc), which it brings along encrypted for the server (WKc).
// Source: tls-crypt-v2.txt of the reference.
//
//   WKc = T || AES-256-CTR(Ke, IV = first 16 bytes of T, Kc || metadata) || length (16 bit, of all of WKc)
//   T   = HMAC-SHA256(Ka, length || Kc || metadata)
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "control/now.h"
#include "control/openvpn/settings.h"
#include "dataplane/abi/result.h"

namespace culvert::openvpn {

using TlsCryptV2ServerKey = std::array<uint8_t, 128>;

inline constexpr size_t kMaxWrappedClientKey = 1024;
inline constexpr size_t kMinWrappedClientKey = 32 + 256 + 2;  ///< tag, Kc, length, no metadata
inline constexpr size_t kMaxClientKeyMetadata = kMaxWrappedClientKey - kMinWrappedClientKey;

enum class MetadataType : uint8_t { kUser = 0, kTimestamp = 1 };

/// A packet that ends with a WKc, taken apart. Views into the packet.
struct SplitPacket {
  std::span<const uint8_t> packet;              ///< what WrapKey::open takes
  std::span<const uint8_t> wrapped_client_key;  ///< WKc
};

/// Finds WKc by the length in the packet's last two bytes. Nothing (control_bad_client_key) when that length is not
/// possible for a WKc or leaves no room for a wrapped control packet. Safe for any input.
std::optional<SplitPacket> split_wrapped_key(std::span<const uint8_t> packet);

/// A client's key as the server knows it after unwrapping. Wiped on destruction.
struct ClientKey {
  StaticKey key{};
  std::vector<uint8_t> metadata;  ///< first byte: MetadataType; may be empty

  ClientKey() = default;
  ClientKey(const ClientKey&) = default;
  ClientKey(ClientKey&&) = default;
  ClientKey& operator=(const ClientKey&) = default;
  ClientKey& operator=(ClientKey&&) = default;
  ~ClientKey();
};

/// Authenticates and decrypts WKc. Nothing (control_bad_client_key) when it was not made with this server key, was
/// changed, or has an odd length. Keeps no memory.
std::optional<ClientKey> unwrap_client_key(const TlsCryptV2ServerKey& server_key, std::span<const uint8_t> wrapped);

/// Makes WKc. Error when the metadata is longer than kMaxClientKeyMetadata.
Result<std::vector<uint8_t>> wrap_client_key(const TlsCryptV2ServerKey& server_key, const StaticKey& client_key,
                                             std::span<const uint8_t> metadata);

/// Metadata of type timestamp: when the key was made.
std::vector<uint8_t> timestamp_metadata(std::chrono::sys_seconds made);
/// When the key was made; nothing if the metadata is of another type or too short.
std::optional<std::chrono::sys_seconds> key_made_at(const ClientKey& key);

/// Payload that the server appends to its stateless HARD_RESET_SERVER_V2 (after the packet-id): "send WKc again".
std::vector<uint8_t> request_wrapped_key_again();
struct EarlyNegotiation {
  bool resend_wrapped_key = false;
};
/// Reads that payload (client side): TLVs of 16-bit type, 16-bit length. Unknown types are skipped; nothing when
/// malformed. An empty payload is a reset without flags.
std::optional<EarlyNegotiation> parse_early_negotiation(std::span<const uint8_t> payload);

}  // namespace culvert::openvpn
