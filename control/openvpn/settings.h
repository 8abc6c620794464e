// What an operator can set about one server or client, already parsed and checked: the engines trust these values.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/crypto/primitives.h"
#include "dataplane/abi/command.h"

namespace culvert::crypto {
class TlsContext;  // control/crypto/tls.h
}

namespace culvert::openvpn {

/// How control packets are wrapped before TLS sees them.
enum class WrapKind : uint8_t { kNone, kTlsAuth, kTlsCrypt, kTlsCryptV2 };

/// OpenVPN static key file, 2048 bits: two (cipher 64 bytes, HMAC 64 bytes) pairs.
using StaticKey = std::array<uint8_t, 256>;

/// Digest of tls-auth and of data packets under CBC ciphers (directive `auth`).
using Digest = crypto::Digest;

struct WrapSettings {
  WrapKind kind = WrapKind::kNone;
  StaticKey key{};              ///< kTlsAuth, kTlsCrypt; a client's own Kc for kTlsCryptV2
  int direction = -1;           ///< kTlsAuth: key-direction 0, 1, or -1 for none
  Digest auth = Digest::kSha1;  ///< kTlsAuth
  std::array<uint8_t, 128>
      server_key{};  ///< kTlsCryptV2, server: Ke (64 bytes, 32 used) and Ka (64, 32 used), tls-crypt-v2.txt
  std::vector<uint8_t> wrapped_client_key;  ///< kTlsCryptV2, client: WKc
  bool force_cookie = true;  ///< kTlsCryptV2, server: refuse clients that can't do the stateless handshake
};

struct CommonSettings {
  std::string name;  ///< configuration file, for logs and records
  WrapSettings wrap;
  std::shared_ptr<const crypto::TlsContext> tls;
  std::vector<abi::Cipher> data_ciphers{abi::Cipher::kAes256Gcm, abi::Cipher::kAes128Gcm,
                                        abi::Cipher::kChacha20Poly1305};
  Digest auth = Digest::kSha1;  ///< of data packets under CBC ciphers
  abi::Framing framing{};       ///< of compression (directives compress, comp-lzo)
  std::chrono::seconds hand_window{60};
  std::chrono::seconds tran_window{3600};
  std::chrono::seconds tls_timeout{2};    ///< first retransmission; doubles
  std::chrono::seconds reneg_sec{3600};   ///< 0: never by time
  std::chrono::seconds reneg_sec_min{0};  ///< lower end of the random spread; 0: 90 % of reneg_sec (reference)
  /// Sessions taken over from a control before renegotiate within this time, spread out. Not longer than what their
  /// clients have been given stays good (auth-gen-token).
  std::chrono::milliseconds adoption_spread{10'000};
  uint16_t tun_mtu = 1500;
  uint16_t mssfix = 1492;           ///< largest outer IP packet a TCP segment may make; 0: off
  uint16_t max_packet_size = 1250;  ///< of our control packets, in bytes of UDP payload
  uint32_t replay_window = 64;
};

struct ServerSettings : CommonSettings {
  bool compress_migrate = false;                     ///< push clients off compression that have it
  std::optional<abi::Cipher> data_ciphers_fallback;  ///< for clients without negotiation
  std::chrono::seconds ping{0};                      ///< ours; keepalive sets both these and what is pushed
  std::chrono::seconds ping_restart{0};
  std::array<uint8_t, 32> cookie_secret{};
  bool client_to_client = false;
  bool may_float = true;
  bool verify_renewals = false;      ///< who is connected is asked about again at each renegotiation
  bool duplicate_cn = false;         ///< false: a second connect of a common name ends the first session
  bool require_key_export = false;   ///< clients that can't derive keys with TLS's exporter are refused
  uint32_t connects_per_window = 0;  ///< connect-freq: clients let begin per connect_window; 0: any number
  std::chrono::seconds connect_window{0};
  uint32_t max_clients = 1024;         ///< half-open ones included
  uint32_t initial_per_network = 100;  ///< first packets per 10 s answered per IPv4 /32 or IPv6 /64 …
  uint32_t initial_in_all = 20000;     ///< … and in all
};

struct ClientSettings : CommonSettings {
  abi::Endpoint remote;
  uint16_t port = 0;
  std::chrono::seconds ping{0};
  std::chrono::seconds ping_restart{120};
  std::string username;
  std::string password;
  bool pull = true;
  uint32_t capabilities = ~uint32_t{0};  ///< IV_PROTO bits that may be announced; fewer make it an older client
  bool own_peer_id = true;    ///< tell the server which peer-id packets to us shall carry: ours (clients since 2.7)
  bool names_ciphers = true;  ///< false: as clients before 2.4, which tell their cipher in the options string
};

/// How clients see their IPv4 network (directive `topology`).
enum class Topology : uint8_t {
  kSubnet,  ///< an address in a network
  kP2p,     ///< an address of their own, with the gateway's as the other end
  kNet30,   ///< two addresses out of four: theirs and one for the other end (clients on old Windows)
};
/// "subnet", as in configurations and on the wire.
constexpr std::string_view topology_name(Topology topology) {
  return topology == Topology::kSubnet ? "subnet" : topology == Topology::kP2p ? "p2p" : "net30";
}

/// What control grants a client that it accepted.
struct ClientGrant {
  Topology topology = Topology::kSubnet;
  std::array<uint8_t, 4> ip4{};        ///< 0.0.0.0: none
  uint8_t ip4_prefix = 24;             ///< kSubnet: of the pool's network
  std::array<uint8_t, 4> ip4_peer{};   ///< kP2p, kNet30: the other end of the client's tunnel
  std::array<uint8_t, 4> ip4_alias{};  ///< what the client is told instead of ip4 (NAT in between); 0.0.0.0: that
  std::array<uint8_t, 4> ip4_gateway{};
  std::array<uint8_t, 16> ip6{};  ///< ::: none
  uint8_t ip6_prefix = 64;
  std::array<uint8_t, 16> ip6_gateway{};
  std::vector<std::string> push;         ///< further options, as they go over the wire, in order
  std::vector<abi::InnerPrefix> routes;  ///< networks behind the client (iroute)
  bool refused_ip4 = false;              ///< the client is told ip4, but no packet from or to it passes (learn-address)
  bool refused_ip6 = false;
  abi::SessionLimit limit{};  ///< what the session begins with; Server::limit() changes it
  std::string name;           ///< what the session is called instead of the certificate's common name; empty: that
};

}  // namespace culvert::openvpn
