// What two peers agree on: capabilities from peer-info (IV_PROTO bits: ssl.h), the data cipher
// (cipher-negotiation.rst), and the options string that old peers compare (OCC).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/openvpn/settings.h"
#include "dataplane/abi/command.h"
#include "dataplane/abi/result.h"

namespace culvert::openvpn {

namespace iv_proto {
inline constexpr uint32_t kDataV2 = 1u << 1;
inline constexpr uint32_t kRequestPush = 1u << 2;  ///< wants its PUSH_REPLY without asking
inline constexpr uint32_t kTlsKeyExport = 1u << 3;
inline constexpr uint32_t kAuthPendingKeywords = 1u << 4;
inline constexpr uint32_t kNcpP2p = 1u << 5;
inline constexpr uint32_t kCcExit = 1u << 7;
inline constexpr uint32_t kAuthFailTemp = 1u << 8;
inline constexpr uint32_t kDynamicTlsCrypt = 1u << 9;
inline constexpr uint32_t kEpochKeys = 1u << 10;
inline constexpr uint32_t kPushUpdate = 1u << 12;
/// What our client side says of itself.
inline constexpr uint32_t kOurClient = kDataV2 | kRequestPush | kTlsKeyExport | kAuthPendingKeywords | kCcExit |
                                       kAuthFailTemp | kDynamicTlsCrypt | kEpochKeys | kPushUpdate;
}  // namespace iv_proto

/// "AES-256-GCM", as on the wire and in configurations.
std::string_view cipher_name(abi::Cipher cipher);
/// Case does not matter. Nothing for a cipher that we don't have.
std::optional<abi::Cipher> parse_cipher(std::string_view name);

/// What a peer says it can do. Every field comes from the peer: none is trusted beyond what it says.
struct PeerCapabilities {
  uint32_t proto = 0;  ///< iv_proto bits
  std::vector<abi::Cipher> ciphers;
  bool names_ciphers = false;  ///< sent IV_CIPHERS, or IV_NCP=2 which stands for the two AES-GCM
  bool sent_iv_ciphers = false;
  std::string cipher_text;          ///< its list as sent, for messages
  uint32_t max_mtu = 0;             ///< IV_MTU, 0: cannot be told an MTU
  std::string version;              ///< IV_VER
  std::string platform;             ///< IV_PLAT
  bool stub_v2 = false;             ///< IV_COMP_STUBv2
  std::optional<uint32_t> peer_id;  ///< ID: the peer-id that packets to it shall carry

  bool can(uint32_t bits) const { return (proto & bits) == bits; }
};
PeerCapabilities parse_capabilities(std::string_view peer_info);

/// The value of one option in an options string: occ_option("V4,cipher AES-256-GCM", "cipher") is "AES-256-GCM".
std::string_view occ_option(std::string_view options, std::string_view name);

/// Result of a server's negotiation with a client.
struct Agreement {
  abi::Cipher cipher{};
  abi::Digest digest{};  ///< of data packets under CBC; kNone with AEAD
  abi::Framing framing{};
  abi::DataFormat format = abi::DataFormat::kV1;
  bool tls_key_export = false;
  bool dynamic_tls_crypt = false;
  bool cc_exit = false;
  bool epoch_keys = false;
  std::optional<uint32_t>
      remote_peer_id;         ///< both sides chose their own (ssl.c, push_peer_info_peerid); else we choose
  bool push_at_once = false;  ///< the client need not ask
  bool push_cipher = false;   ///< the client understands a pushed cipher
  bool push_mtu = false;
  std::string push_compression;  ///< pushed to a client with compression, to switch it off
  bool push_update = false;      ///< the client takes PUSH_UPDATE

  abi::KeyFormat key_format() const {
    return abi::is_cbc(cipher) ? abi::KeyFormat::kCbcHmac : epoch_keys ? abi::KeyFormat::kEpoch : abi::KeyFormat::kAead;
  }
  uint32_t flags() const;  ///< as iv_proto bits, for the session's record
  static Agreement from_flags(uint32_t flags, abi::Cipher cipher);
};

/// Chooses for a client: the server's first cipher that the client has; a client that names none gets the one of its
/// options string if allowed, else the fallback. The error's text is for the operator.
Result<Agreement> agree(const ServerSettings& settings, const PeerCapabilities& peer, std::string_view peer_options);

/// True when the peer's options string names another digest for data packets than what was agreed on: then none of them
/// will be authentic.
bool disagrees_about_digest(const Agreement& agreement, std::string_view peer_options);

/// The peer-id that a peer-info asks for; nothing when it asks for none, or for one that can't be.
std::optional<uint32_t> announced_peer_id(std::string_view peer_info);
/// The line of a peer-info that asks for it.
std::string announce_peer_id(uint32_t peer_id);

/// Peer-info of our client side. `peer_id`: its own index for the session.
std::string client_peer_info(const ClientSettings& settings, uint32_t peer_id);

/// Our options string. Values that are negotiated today (link-mtu, cipher, auth, keysize) follow `peer_options` when it
/// names them, because clients up to 2.5 warn about every difference; `transport` and `family` give the proto.
std::string options_string(const CommonSettings& settings, bool server, const abi::Endpoint& remote,
                           std::string_view peer_options);

}  // namespace culvert::openvpn
