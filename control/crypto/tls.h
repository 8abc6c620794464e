// TLS over memory: a context per server block (certificates, policy), and one stream per key negotiation. No socket;
// the wall clock for certificate validity is an argument.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/crypto/peer_policy.h"
#include "dataplane/abi/result.h"

namespace culvert::crypto {

enum class TlsRole : uint8_t { kServer, kClient };
enum class TlsVersion : uint8_t { kTls12, kTls13 };
/// Directive tls-cert-profile: how weak keys and digests may be.
enum class CertificateProfile : uint8_t { kInsecure, kLegacy, kPreferred, kSuiteB };

struct TlsSettings {
  TlsRole role = TlsRole::kServer;
  std::string ca_pem;           ///< one or more CA certificates; may be empty with peer.fingerprints
  std::string certificate_pem;  ///< leaf first, then intermediates
  std::string key_pem;
  std::string key_password;
  std::string crl_pem;  ///< empty: no CRL
  PeerPolicy peer;
  CertificateProfile profile = CertificateProfile::kLegacy;
  TlsVersion min_version = TlsVersion::kTls12;
  std::optional<TlsVersion> max_version;
  std::string ciphers;         ///< TLS 1.2 cipher list, OpenSSL syntax; empty: the reference's default
  std::string ciphersuites;    ///< TLS 1.3
  std::string groups;          ///< "X25519:secp256r1"; empty: library default
  bool finite_fields = false;  ///< TLS 1.2 also with Diffie-Hellman over a finite field (suites with DHE)
  bool require_peer_certificate = true;
  bool export_peer_certificates = false;  ///< fill PeerCertificate::pem
  bool ask_peer_certificate = true;       ///< false: none is asked for, and none is looked at
};

/// What is known of the peer after the handshake.
struct PeerCertificate {
  std::string common_name;           ///< of the leaf: what PeerPolicy::name_fields makes its name
  std::vector<std::string> subject;  ///< "CN=alice" in the certificate's order
  std::string serial;                ///< decimal
  std::vector<uint8_t> sha256;
  std::vector<uint8_t> sha1;
  std::vector<PeerCertificate> issuers;  ///< as verified, up to the CA
  std::string pem{};                     ///< only with TlsSettings::export_peer_certificates
};

class TlsStream;

class TlsContext {
 public:
  /// Loads everything; an error names the item (ca, cert, key, crl, …) and the way out.
  static Result<std::shared_ptr<const TlsContext>> make(const TlsSettings& settings);
  ~TlsContext();
  /// A new handshake, certificates judged at `wall`.
  std::unique_ptr<TlsStream> open(std::chrono::sys_seconds wall) const;
  /// Does this context's CRL (and validity at `wall`) refuse the certificate with this decimal serial, issued by our
  /// CA?
  bool revoked(std::string_view serial) const;
  /// What the operator should know though it does not keep us from starting: own certificate or CA expired or about to,
  /// an expired CRL (which refuses every client, as in the reference), a server certificate that clients will refuse.
  std::vector<std::string> warnings(std::chrono::sys_seconds wall) const;

 public:
  struct State;  ///< inside control/crypto only

 private:
  TlsContext();
  std::unique_ptr<State> state_;
  friend class TlsStream;
};

enum class TlsStatus : uint8_t { kHandshaking, kEstablished, kFailed, kClosed };

/// One TLS connection in memory. Bytes of the peer go in with feed(), bytes for the peer come out of drain().
class TlsStream {
 public:
  ~TlsStream();
  /// Ciphertext of the peer, in order. Handshakes as far as it goes.
  TlsStatus feed(std::span<const uint8_t> ciphertext);
  /// Client: starts the handshake.
  TlsStatus start();
  /// Ciphertext to send, at most `max` bytes; empty when there is none.
  std::vector<uint8_t> drain(size_t max);
  bool has_output() const { return output_size() > 0; }
  /// Bytes that drain() has to give, in all.
  size_t output_size() const;
  /// Plaintext as one TLS record. False before kEstablished or after an error.
  bool write(std::span<const uint8_t> plaintext);
  /// One decrypted record's plaintext (up to 16 KiB); empty when there is none.
  std::vector<uint8_t> read();
  /// RFC 5705 exporter without context.
  bool export_keying_material(std::string_view label, std::span<uint8_t> out) const;

  TlsStatus status() const;
  /// After kFailed: what happened, for the operator ("client certificate expired on 2026-01-02: issue a new one").
  const std::string& error() const;
  const PeerCertificate* peer() const;
  std::string version() const;
  std::string cipher() const;

 public:
  struct State;  ///< inside control/crypto only

 private:
  TlsStream();
  std::unique_ptr<State> state_;
  friend class TlsContext;
};

}  // namespace culvert::crypto
