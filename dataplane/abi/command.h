// What control tells a worker. Fixed size, by value; the worker copies a command once, then validates every field.
//
// Order: a worker carries commands out in the order they were pushed, and sends a packet of control (PacketMessage)
// only after every command pushed before it, so "install the key, then tell the client" needs no answer in between.
//
// Several workers: a session has one owner, which holds its keys. Sessions and routes (install, remove, move) are told
// to every worker, so that each knows whose a packet is; key commands and limits to the owner only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "dataplane/abi/endpoint.h"

namespace culvert::abi {

/// Names one life of a session. `peer_id` indexes the session table; `generation` grows each time the peer-id is given
/// out again, so that a command or event which comes late (its session is gone) is recognised and does nothing. Never 0
/// when live.
struct SessionRef {
  uint32_t peer_id = 0;
  uint32_t generation = 0;

  friend auto operator<=>(const SessionRef&, const SessionRef&) = default;
};

inline constexpr uint32_t kNoPeerId = 0xFFFFFF;  ///< "none" on the wire (mudp.c); never given out

enum class CommandKind : uint16_t {
  kInstallSession = 1,  ///< create the session, or bring an existing one (same generation) to these settings
  kInstallKey = 2,      ///< give the session a key: valid for receiving at once, for sending after kSendWithKey
  kSendWithKey = 3,     ///< the peer is known to have this key: send with it from now on
  kRemoveKey = 4,       ///< forget a key and wipe it (end of its transition window)
  kRemoveSession = 5,   ///< forget session, keys, addresses
  kAddRoute = 6,        ///< a further inner prefix of the session (iroute)
  kRemoveRoute = 7,     ///< takes it away
  kCloseStream = 8,     ///< close a TCP connection when all that waits for it has been sent; it needs no session
  kMoveSession = 9,     ///< the owner has followed the peer elsewhere: for the other workers
  kLimitSession = 10,   ///< what the session may carry from now on
};

enum class Cipher : uint8_t {
  kAes128Gcm = 1,
  kAes192Gcm = 2,
  kAes256Gcm = 3,
  kChacha20Poly1305 = 4,
  kAes128Cbc = 5,  ///< CBC ciphers encrypt only: a digest authenticates (KeyFormat::kCbcHmac)
  kAes192Cbc = 6,
  kAes256Cbc = 7,
};

constexpr bool is_aead(Cipher cipher) {
  return cipher >= Cipher::kAes128Gcm && cipher <= Cipher::kChacha20Poly1305;
}
constexpr bool is_cbc(Cipher cipher) {
  return cipher >= Cipher::kAes128Cbc && cipher <= Cipher::kAes256Cbc;
}

/// What authenticates packets under a CBC cipher: HMAC with this digest.
enum class Digest : uint8_t { kNone = 0, kSha1 = 1, kSha224 = 2, kSha256 = 3, kSha384 = 4, kSha512 = 5 };

/// Bytes of a digest, which is also how many bytes of the HMAC key are used (crypto.c, init_key_type).
constexpr uint8_t digest_size(Digest digest) {
  constexpr std::array<uint8_t, 6> kSizes = {0, 20, 28, 32, 48, 64};
  return static_cast<size_t>(digest) < kSizes.size() ? kSizes[static_cast<size_t>(digest)] : uint8_t{0};
}

/// How the packets under a key are laid out (dataplane/steps/data_formats.h).
enum class KeyFormat : uint8_t {
  kAead = 0,     ///< packet-id in the header, tag in front of the ciphertext
  kCbcHmac = 1,  ///< AES-CBC with HMAC, packet-id inside the ciphertext
  kEpoch = 2,    ///< AEAD, 16-bit epoch and 48-bit counter in the header, tag at the end
};

/// What stands in front of (or around) the inner packet because the peer has compression switched on. Nothing is ever
/// compressed.
enum class Framing : uint8_t {
  kNone = 0,
  kStubV2 = 1,   ///< `compress stub-v2`: an escape for payloads that begin with 0x50
  kStub = 2,     ///< `compress`, `compress stub`: 0xFB takes the first byte's place, which moves to the end
  kLzoStub = 3,  ///< `comp-lzo no`: 0xFA in front
};

/// Which framing the peer uses for data packets (RFC, data channel).
enum class DataFormat : uint8_t { kV1 = 1, kV2 = 2 };

namespace session_flag {
inline constexpr uint32_t kClientToClient = 1;  ///< may reach other sessions directly
inline constexpr uint32_t kMayFloat = 2;        ///< follows its peer to a new source address
inline constexpr uint32_t kInitiator = 4;       ///< we are the client of this session (its peer is the server)
}  // namespace session_flag

/// Body of kLimitSession: bits of inner packets per second, at most kMaxLimit; 0: no limit.
struct SessionLimit {
  uint64_t from_client;
  uint64_t to_client;

  friend bool operator==(const SessionLimit&, const SessionLimit&) = default;
};
inline constexpr uint64_t kMaxLimit = 400'000'000'000;  ///< more than a port has

/// Body of kInstallSession.
struct InstallSession {
  Endpoint remote;          ///< where the peer is now
  Endpoint local;           ///< address it talks to (family kNone: the port's own)
  uint16_t port;            ///< outer port (OpenPort::port) it arrived on
  DataFormat format;        ///< what we send
  Framing framing;          ///< both ways
  uint32_t flags;           ///< session_flag
  uint32_t remote_peer_id;  ///< peer-id to put into packets we send (kNoPeerId when none was negotiated)
  uint16_t tun_mtu;         ///< largest inner packet in bytes
  uint16_t mss_limit;       ///< largest outer IP packet that a clamped TCP segment may make, in bytes; 0: no clamping
  uint16_t ping_interval;   ///< seconds without sending after which a keepalive goes out; 0: none
  uint16_t ping_timeout;    ///< seconds without receiving after which the peer counts as gone; 0: never
  uint32_t replay_window;   ///< packets that may arrive late (directive replay-window; 64 by default)
  std::array<uint8_t, 4> ip4;   ///< inner address, 0.0.0.0: none
  std::array<uint8_t, 16> ip6;  ///< inner address, ::: none
  SessionLimit limit;
};

/// One direction of a data-channel key.
struct DirectionKey {
  std::array<uint8_t, 32> key;          ///< AES-128 uses the first 16 bytes, AES-192 24; kEpoch: the epoch's secret
  std::array<uint8_t, 12> implicit_iv;  ///< kAead: the first 8 bytes follow the packet-id in the nonce (RFC, AEAD)
  std::array<uint8_t, 64> hmac;         ///< kCbcHmac: the first digest_size() bytes
};

/// Body of kInstallKey.
struct InstallKey {
  uint8_t key_id;  ///< 0..7
  Cipher cipher;
  uint8_t send_at_once;  ///< 1: as if kSendWithKey followed
  KeyFormat format;
  Digest digest;  ///< kCbcHmac; else kNone
  std::array<uint8_t, 3> reserved;
  /// First packet-id to send; > 1 when a session is installed again in a new dataplane. kEpoch: the upper 16 bits are
  /// the epoch that `send.key` belongs to.
  uint64_t first_packet_id;
  /// Packet-ids up to here count as seen (0 for a new key). kEpoch: the upper 16 bits are the epoch of `receive.key`;
  /// what is older opens nothing.
  uint64_t replay_floor;
  DirectionKey send;
  DirectionKey receive;
};

/// kEpoch: a packet-id is 16 bits of epoch and 48 bits of counter; both start at 1 (RFC, epoch data keys).
inline constexpr uint32_t kEpochShift = 48;
constexpr uint16_t epoch_of(uint64_t packet_id) {
  return static_cast<uint16_t>(packet_id >> kEpochShift);
}

/// Body of kSendWithKey and kRemoveKey.
struct KeyRef {
  uint8_t key_id;
};

/// Body of kAddRoute and kRemoveRoute.
struct InnerPrefix {
  IpAddress address;
  uint8_t length;  ///< prefix length in bits
};

/// Body of kCloseStream (a stream that is gone already is no error) and kMoveSession.
struct StreamRef {
  Endpoint remote;  ///< with its stream; kMoveSession: where the peer is now
  uint16_t port;    ///< outer port
};

struct Command {
  CommandKind kind;
  uint16_t owner;  ///< kInstallSession: the worker that owns the session, from then on as long as it lives
  uint32_t reserved2;
  SessionRef session;
  union Body {
    InstallSession install_session;
    InstallKey install_key;
    KeyRef key;
    InnerPrefix route;
    StreamRef stream;
    SessionLimit limit;
    std::array<uint8_t, 240> raw;
  } body;
};

static_assert(std::is_trivially_copyable_v<Command> && sizeof(Command) == 256);

}  // namespace culvert::abi
