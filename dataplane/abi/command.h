// What control tells a worker. Fixed size, by value; the worker copies a command once, then validates every field.
//
// Order: a worker carries commands out in the order they were pushed, and sends a packet of control (PacketMessage)
// only after every command pushed before it, so "install the key, then tell the client" needs no answer in between.
#pragma once

#include <array>
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
};

enum class Cipher : uint8_t { kAes128Gcm = 1, kAes192Gcm = 2, kAes256Gcm = 3, kChacha20Poly1305 = 4 };

/// Which framing the peer uses for data packets (RFC, data channel).
enum class DataFormat : uint8_t { kV1 = 1, kV2 = 2 };

namespace session_flag {
inline constexpr uint32_t kClientToClient = 1;  ///< may reach other sessions directly
inline constexpr uint32_t kMayFloat = 2;        ///< follows its peer to a new source address
inline constexpr uint32_t kInitiator = 4;       ///< we are the client of this session (its peer is the server)
}  // namespace session_flag

/// Body of kInstallSession.
struct InstallSession {
  Endpoint remote;    ///< where the peer is now
  Endpoint local;     ///< address it talks to (family kNone: the port's own)
  uint16_t port;      ///< outer port (OpenPort::port) it arrived on
  DataFormat format;  ///< what we send
  uint8_t reserved;
  uint32_t flags;           ///< session_flag
  uint32_t remote_peer_id;  ///< peer-id to put into packets we send (kNoPeerId when none was negotiated)
  uint16_t tun_mtu;         ///< largest inner packet in bytes
  uint16_t mss_limit;       ///< largest outer IP packet that a clamped TCP segment may make, in bytes; 0: no clamping
  uint16_t ping_interval;   ///< seconds without sending after which a keepalive goes out; 0: none
  uint16_t ping_timeout;    ///< seconds without receiving after which the peer counts as gone; 0: never
  uint32_t replay_window;   ///< packets that may arrive late (directive replay-window; 64 by default)
  std::array<uint8_t, 4> ip4;   ///< inner address, 0.0.0.0: none
  std::array<uint8_t, 16> ip6;  ///< inner address, ::: none
};

/// One direction of a data-channel key.
struct DirectionKey {
  std::array<uint8_t, 32> key;          ///< AES-128 uses the first 16 bytes, AES-192 24
  std::array<uint8_t, 12> implicit_iv;  ///< AEAD: the first 8 bytes follow the packet-id in the nonce (RFC, AEAD)
};

/// Body of kInstallKey.
struct InstallKey {
  uint8_t key_id;  ///< 0..7
  Cipher cipher;
  uint8_t send_at_once;  ///< 1: as if kSendWithKey followed
  uint8_t reserved;
  uint32_t first_packet_id;  ///< first packet-id to send; > 1 when a session is installed again in a new dataplane
  uint32_t replay_floor;     ///< packet-ids up to here count as seen (0 for a new key)
  uint32_t reserved2;
  DirectionKey send;
  DirectionKey receive;
};

/// Body of kSendWithKey and kRemoveKey.
struct KeyRef {
  uint8_t key_id;
};

/// Body of kAddRoute and kRemoveRoute.
struct InnerPrefix {
  IpAddress address;
  uint8_t length;  ///< prefix length in bits
};

/// Body of kCloseStream. A stream that is gone already is no error.
struct StreamRef {
  Endpoint remote;  ///< with its stream
  uint16_t port;    ///< outer port
};

struct Command {
  CommandKind kind;
  uint16_t reserved;
  uint32_t reserved2;
  SessionRef session;
  union Body {
    InstallSession install_session;
    InstallKey install_key;
    KeyRef key;
    InnerPrefix route;
    StreamRef stream;
    std::array<uint8_t, 240> raw;
  } body;
};

static_assert(std::is_trivially_copyable_v<Command> && sizeof(Command) == 256);

}  // namespace culvert::abi
