// What an engine wants done. The engines have no sockets: they collect these, in order, and the caller carries them out
// in that order (so that a key is on its way to the worker before the packet that tells the peer to use it).
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "dataplane/abi/command.h"
#include "dataplane/abi/session_record.h"

namespace culvert::openvpn {

/// A control-channel packet to send.
struct SendPacket {
  abi::Endpoint remote;
  abi::Endpoint local;  ///< address to send from (family kNone: any)
  uint16_t port = 0;    ///< outer port
  std::vector<uint8_t> bytes;
};

/// A command for the session's owner core. Holds key material: wipe after use (abi::Command is trivially copyable).
struct SendCommand {
  abi::Command command;
};

/// Commit this as the session's control record (state kFree: the session is gone).
struct CommitRecord {
  uint32_t peer_id = 0;
  abi::ControlRecord record{};
  std::vector<abi::InnerPrefix> networks{};  ///< not empty: the session's abi::NetworkList, to be written before
};

/// One certificate above the client's own.
struct ClientIssuer {
  std::vector<std::string> subject;
  std::string serial;
  std::vector<uint8_t> sha256;
  std::vector<uint8_t> sha1;
  std::string pem{};  ///< only in a ConnectRequest, and only with TlsSettings::export_peer_certificates
};

/// Who a client says it is and what it can do, as far as verified: the certificate chain is, username and password are
/// not.
struct ClientIdentity {
  std::string common_name;
  std::vector<std::string> subject;       ///< "CN=alice", "OU=…", from the leaf certificate, in its order
  std::string serial;                     ///< of the leaf, decimal
  std::vector<uint8_t> certificate_hash;  ///< SHA-256 of the leaf
  std::vector<uint8_t> certificate_sha1;
  std::vector<ClientIssuer> issuers;  ///< of the leaf, up to the CA
  std::string certificate_pem;        ///< as ClientIssuer::pem
  std::string username;
  std::string password;          ///< secret; cleared by the receiver
  bool has_credentials = false;  ///< username and password both came, perhaps empty ones
  std::string peer_info;         ///< IV_… and UV_… lines as sent
  std::string tls_version;       ///< "TLSv1.3"
  std::string tls_cipher;        ///< "TLS_AES_256_GCM_SHA384"
};

/// A client has finished TLS and sent its key-method-2 message. Answer with Server::accept or Server::refuse, now or
/// later; until then it gets no address, no key and no route.
struct ConnectRequest {
  abi::SessionRef session;
  abi::Endpoint remote;
  ClientIdentity identity;
  /// A connected client renegotiates (only with ServerSettings::verify_renewals): answer with Server::accept_renewal or
  /// Server::refuse. Until then the running key serves on. A further request of the session replaces this one.
  bool renewal = false;
};

/// The client's answer to a challenge (CR_RESPONSE), as sent.
struct ChallengeResponse {
  abi::SessionRef session;
  std::string text;
};

/// PUSH_REPLY is on its way and the client's first key is installed.
struct SessionConnected {
  abi::SessionRef session;
  abi::Cipher cipher{};
};

enum class EndReason : uint8_t {
  kClientExit,       ///< said goodbye (cc-exit or OCC)
  kClientRestarted,  ///< a new handshake from the same address took its place
  kPingTimeout,
  kHandshakeTimeout,  ///< hand-window ran out
  kTlsFailed,         ///< certificate refused, no common version or cipher, …; the text says which
  kAuthFailed,
  kIdentityChanged,  ///< a renegotiation came with another certificate or name
  kKilled,           ///< by the operator, or by a revocation
  kServerStopping,
  kLimit,  ///< key used up and no renegotiation came about
  kProtocolError,
  kConnectionClosed,  ///< TCP: the connection ended
  kInactive,          ///< carried too little for too long
  kSessionTimeout,    ///< lasted as long as it may
};

/// The session is over; its peer-id is free again and its commands (kRemoveSession) stand before this in the outputs.
struct SessionEnded {
  abi::SessionRef session;
  abi::Endpoint remote;
  EndReason reason{};
  bool was_connected = false;
  std::string common_name;  ///< as far as known
  std::string text;         ///< for the operator: what happened, and the way out where there is one
};

/// The client side was told its settings (PUSH_REPLY), option by option.
struct PushReceived {
  std::vector<std::string> options;
};

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError };

/// A line for the operator about a peer that has no session yet (everything about a session goes through SessionEnded).
struct LogLine {
  LogLevel level = LogLevel::kInfo;
  abi::Endpoint remote;
  std::string text;
};

using Output = std::variant<SendPacket, SendCommand, CommitRecord, ConnectRequest, ChallengeResponse, SessionConnected,
                            SessionEnded, PushReceived, LogLine>;
using Outputs = std::vector<Output>;

}  // namespace culvert::openvpn
