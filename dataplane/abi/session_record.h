// Per peer-id in the link: what either process needs to take a session over when it starts again. Three arrays, by how
// often an entry is written: for each packet (SeenIds), now and then (SessionRecord), only with networks behind the
// client (NetworkList).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <type_traits>

#include "dataplane/abi/command.h"
#include "dataplane/abi/committed.h"

namespace culvert::abi {

inline constexpr size_t kKeyIds = 8;              ///< key-ids on the wire: three bits (RFC, opcode and key-id)
inline constexpr size_t kMaxSessionRoutes = 256;  ///< inner prefixes that a worker routes to one session

enum class RecordState : uint32_t { kFree = 0, kConnected = 1 };

/// The control channel's half: enough for a new control process to serve the next renegotiation (which starts a fresh
/// TLS handshake, so no TLS state is here) and to show the session to the operator. Secret: it holds wrap keys.
struct ControlRecord {
  RecordState state;
  uint32_t generation;
  std::array<uint8_t, 8> local_session_id;
  std::array<uint8_t, 8> remote_session_id;
  uint8_t current_key_id;   ///< key-id of the newest finished negotiation
  uint8_t previous_key_id;  ///< the one before it, 0xFF when gone
  uint8_t wrap_is_dynamic;  ///< 1: wrap_key is the dynamic tls-crypt key (tls_crypt.c)
  uint8_t has_wrap_key;     ///< 1: wrap_key is this session's own (tls-crypt-v2 or dynamic), else the server's is used
  uint32_t wrap_send_time;  ///< replay IDs up to (time, id) may have been used for sending: go on above
  uint32_t wrap_send_id;
  uint32_t wrap_seen_time;  ///< highest replay ID received
  uint32_t wrap_seen_id;
  std::array<uint8_t, 256> wrap_key;         ///< static-key layout: two (cipher 64, HMAC 64) pairs
  std::array<char, 64> common_name;          ///< NUL-padded; locked: a renegotiation must present the same
  std::array<char, 64> username;             ///< NUL-padded; empty when the client gave none
  std::array<uint8_t, 32> certificate_hash;  ///< SHA-256 of the client certificate, locked likewise
  std::array<char, 64> instance;             ///< configuration file of the server block that the session belongs to
  uint64_t connected_wall_seconds;           ///< Unix time of the connect
  uint64_t protocol_flags;                   ///< lower half: negotiated IV_PROTO bits; upper: gateway/limit_origin.h
  InstallSession settings;                   ///< as last installed
  Cipher cipher;
  uint8_t owner;  ///< worker that the session's commands go to; filled in when the record is committed
  Digest digest;  ///< of the newest keys; kNone for AEAD
  uint8_t reserved;
  std::array<uint8_t, 32> client_version;   ///< IV_VER, NUL-padded text
  std::array<uint8_t, 16> client_platform;  ///< IV_PLAT, NUL-padded text
  uint8_t tls_key_export;                   ///< 1: data keys from the TLS exporter, 0: from the PRF
  uint8_t has_networks;                     ///< 1: the NetworkList is this generation's, and whole
  std::array<uint8_t, 6> reserved2;
  std::array<char, 56>
      certificate_serial;  ///< decimal, NUL-padded; a CRL names it (RFC 5280: at most 20 bytes, 49 digits)
};
static_assert(std::is_trivially_copyable_v<ControlRecord> && sizeof(ControlRecord) % 8 == 0);

/// The data channel's half. Writer: owner core.
struct WorkerRecord {
  std::atomic<uint32_t> generation;  ///< life that the numbers belong to
  std::atomic<uint32_t> reserved;
  std::atomic<uint64_t> rx_packets;  ///< from the peer, opened
  std::atomic<uint64_t> rx_bytes;    ///< inner bytes
  std::atomic<uint64_t> tx_packets;
  std::atomic<uint64_t> tx_bytes;
  std::atomic<uint64_t> last_rx_ns;  ///< CLOCK_MONOTONIC
  std::atomic<uint64_t> last_tx_ns;
  std::atomic<uint64_t> drops;  ///< packets of this session that were dropped, for any reason
  Committed<Endpoint> remote;   ///< where the peer is now (after floats)
  /// By key-id: first packet-id that is not covered by any reservation yet. A worker records a block as reserved before
  /// it uses the first id of it, so a dataplane that takes over starts here and never repeats a nonce.
  std::array<std::atomic<uint64_t>, kKeyIds> send_reserved;
};

/// Writers: `control` by control only, `worker` by the session's owner core only. Readers: both sides and the CLI.
struct alignas(64) SessionRecord {
  Committed<ControlRecord> control;
  alignas(64) WorkerRecord worker;
};

/// By key-id: highest packet-id accepted, recorded before the packet goes on. Belongs to the life that
/// WorkerRecord::generation names. Writer: owner core, for each packet in, which is why it is a cache line of its own
/// and those of all sessions stand side by side: in the records each would be a line on a page of its own. Reader:
/// control, which installs keys again in a new dataplane.
struct alignas(64) SeenIds {
  std::array<std::atomic<uint64_t>, kKeyIds> highest;
};
static_assert(sizeof(SeenIds) == 64);

/// The networks behind a client (iroute), of whatever source. Writer: control, once in a session's life, before it
/// commits the first ControlRecord whose `has_networks` is 1; after that it only takes networks away, by one byte, so
/// that there is no moment at which the list is not whole. Reader: the control that takes over. Pages of sessions
/// without networks are touched by nobody.
struct NetworkList {
  uint32_t generation;  ///< life of the session that they belong to
  uint32_t count;
  std::array<InnerPrefix, kMaxSessionRoutes> networks;  ///< family kNone: taken away
};
static_assert(std::is_trivially_copyable_v<NetworkList> && sizeof(NetworkList) % 8 == 0);

}  // namespace culvert::abi
