// Wrapping of control-channel packets: none, tls-auth, tls-crypt; tls-crypt-v2 and dynamic tls-crypt are tls-crypt with
// a key of the session's own. (ssl_pkt.c, tls_crypt.c of the reference; openvpn-wire-protocol, "Control channel
// wrapping".)
//
//   none       opcode, session ID, payload
//   tls-auth   opcode, session ID, HMAC, replay ID, payload;  HMAC over replay ID, opcode, session ID, payload
//   tls-crypt  opcode, session ID, replay ID, tag (32), AES-256-CTR(payload);  tag = HMAC-SHA256 over opcode, session
//   ID,
//              replay ID, payload; IV = first 16 bytes of the tag
//
// A WrapKey is stateless: it seals and opens, and does not judge replays; this is what answers a client of which
// nothing is known yet. A Wrap adds one session's replay state.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "control/crypto/primitives.h"
#include "control/now.h"
#include "control/openvpn/replay.h"
#include "control/openvpn/settings.h"
#include "dataplane/abi/drop_reasons.h"
#include "dataplane/wire/openvpn.h"

namespace culvert::openvpn {

enum class Side : uint8_t { kServer, kClient };

/// What stands in front of every control packet.
struct ControlHeader {
  wire::OpcodeByte opcode;
  wire::SessionId session_id;  ///< of the sender
};

/// A control packet whose wrapping is right.
struct OpenedPacket {
  ControlHeader header;
  ReplayId replay;               ///< {0, 0} with WrapKind::kNone
  std::vector<uint8_t> payload;  ///< ACK block, packet-id, TLS bytes
};

using OpenResult = std::variant<OpenedPacket, abi::DropReason>;

class WrapKey {
 public:
  /// From the settings of a server block or client. With kTlsCryptV2 the server has no key yet (see tls_crypt_v2.h:
  /// make one with tls_crypt() from the client's key), so such a WrapKey opens and seals nothing; a client's is its own
  /// Kc.
  static WrapKey from_settings(const WrapSettings& settings, Side side);
  /// tls-crypt with this key: the client's key of tls-crypt-v2, or a dynamic one.
  static WrapKey tls_crypt(const StaticKey& key, Side side);

  WrapKind kind() const { return kind_; }
  /// Bytes that wrapping adds to a payload, header included (and WKc left out).
  size_t overhead() const;
  /// Bytes of WKc which seal() appends to packets of the opcodes HARD_RESET_CLIENT_V3 and CONTROL_WKC (client only).
  size_t wrapped_client_key_size() const { return wrapped_client_key_.size(); }

  /// The packet to send. Nothing when libcrypto fails or there is no key.
  std::optional<std::vector<uint8_t>> seal(const ControlHeader& header, ReplayId replay,
                                           std::span<const uint8_t> payload) const;
  /// Checks and unwraps. `packet` stands without WKc (split_wrapped_key takes it off). Reasons: control_malformed (too
  /// short, opcode that is no control packet), control_bad_wrap.
  OpenResult open(std::span<const uint8_t> packet) const;

 private:
  struct Direction {
    crypto::Secret<32> cipher;
    crypto::Secret<64> hmac;
  };
  WrapKey() = default;
  void load(const StaticKey& key, unsigned send_half, unsigned receive_half);
  bool tag(const Direction& direction, std::span<const uint8_t> header, std::span<const uint8_t> replay,
           std::span<const uint8_t> payload, std::span<uint8_t> out) const;

  WrapKind kind_ = WrapKind::kNone;
  bool has_key_ = true;
  crypto::Digest digest_ = crypto::Digest::kSha256;
  Direction send_;
  Direction receive_;
  std::vector<uint8_t> wrapped_client_key_;
};

/// Replay state as it stands in abi::ControlRecord (wrap_send_time, wrap_send_id, wrap_seen_time, wrap_seen_id).
struct WrapProgress {
  ReplayId sent;
  ReplayId seen;
};

/// A WrapKey and the replay state of one session.
class Wrap {
 public:
  /// `sender`: a server passes ReplaySender::after(the one of its stateless replies).
  explicit Wrap(WrapKey key, ReplaySender sender = ReplaySender()) : key_(std::move(key)), sender_(sender) {}
  /// Goes on where a record stood: sends above `progress.sent`, takes nothing up to `progress.seen`.
  Wrap(WrapKey key, const WrapProgress& progress)
      : key_(std::move(key)), sender_(progress.sent), window_(ReplayWindow::closed_at(progress.seen)) {}

  /// Every call uses a new replay ID (a tls-crypt-v2 client begins at kEarlyNegotiationId), so a retransmission is
  /// wrapped again, never sent as it was.
  std::optional<std::vector<uint8_t>> wrap(const ControlHeader& header, std::span<const uint8_t> payload, Now now);
  /// As WrapKey::open, and control_wrap_replay for an ID that was seen or is too old.
  OpenResult unwrap(std::span<const uint8_t> packet, Now now);

  WrapProgress progress() const { return {sender_.last(), window_.highest()}; }
  const WrapKey& key() const { return key_; }
  ReplaySender& sender() { return sender_; }

 private:
  WrapKey key_;
  ReplaySender sender_;
  ReplayWindow window_;
};

}  // namespace culvert::openvpn
