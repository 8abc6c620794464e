// What the TLS files of this folder share. Inside this folder only.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/crypto/openssl.h"
#include "control/crypto/tls.h"
#include "control/crypto/tls_signatures.h"
#include "control/crypto/x509.h"

namespace culvert::crypto {

/// What a stream says of a certificate that a peer was verified with.
PeerCertificate as_peer(X509* certificate, bool with_pem);

/// The same for the CAs of a context, made once. They are held, so that no certificate of a peer stands at one's
/// address.
struct AuthorityPeers {
  std::vector<OwnedX509> held;
  std::map<const X509*, PeerCertificate> peers;
};

struct TlsContext::State {
  OwnedSslCtx context;
  TlsRole role = TlsRole::kServer;
  TlsVersion min_version = TlsVersion::kTls12;
  std::shared_ptr<const PeerPolicy> policy;
  bool export_certificates = false;
  std::vector<OwnedX509> authorities;
  std::shared_ptr<const AuthorityPeers> authority_peers = std::make_shared<const AuthorityPeers>();
  std::vector<OwnedCrl> crls;
  /// Of the context and all its streams, which may outlive it.
  std::shared_ptr<KnownSignatures> signatures = std::make_shared<KnownSignatures>();
};

struct TlsStream::State {
  OwnedSsl ssl;
  BIO* in = nullptr;   ///< peer's bytes; belongs to ssl
  BIO* out = nullptr;  ///< bytes for the peer; belongs to ssl
  TlsRole role = TlsRole::kServer;
  TlsVersion min_version = TlsVersion::kTls12;
  std::shared_ptr<const PeerPolicy> policy;
  std::shared_ptr<KnownSignatures> signatures;
  std::shared_ptr<const AuthorityPeers> authorities;
  bool export_certificates = false;
  TlsStatus status = TlsStatus::kHandshaking;
  std::string error;
  std::string verify_error;  ///< what verify_peer() found, more precise than the library's own word
  std::optional<PeerCertificate> peer;
  std::deque<std::vector<uint8_t>> plaintext;  ///< decrypted records not read yet

  ~State();
  void advance();
  void finish_handshake();
  void receive();
  void fail(std::string text);
};

inline constexpr size_t kMaxPeerName = 64;  ///< RFC 5280, ub-common-name; session records hold as much

struct PeerFault {
  int code = 0;      ///< X509_V_ERR_…; 0: none
  std::string text;  ///< what is wrong, to stand behind the certificate's name
};
/// Does a certificate whose chain is valid fit the policy?
PeerFault check_peer(X509* certificate, const PeerPolicy& policy, bool peer_is_client);
/// The same for the issuer of the peer's certificate; empty: it fits.
std::string check_issuer(X509* certificate, const PeerPolicy& policy);
/// peer-fingerprint without a CA: is this a certificate that needs nobody to vouch for it?
bool may_lack_issuer(X509* certificate, const PeerPolicy& policy, int error);
/// The name by which the certificate's owner is known.
std::optional<std::string> peer_name(X509* certificate, const PeerPolicy& policy);

/// Where a stream finds itself again from OpenSSL's callback (ex_data of SSL).
int stream_index();
/// The stream whose peer is being verified; null: a verification that is none of ours.
TlsStream::State* stream_of(X509_STORE_CTX* store);

/// Verification callback of every context (SSL_CTX_set_verify): usage, common name, and texts for what OpenSSL refuses.
int verify_peer(int accepted, X509_STORE_CTX* store);

/// The error queue after a failed call on this stream, for the operator. Empties it.
std::string explain_failure(const TlsStream::State& stream);

}  // namespace culvert::crypto
