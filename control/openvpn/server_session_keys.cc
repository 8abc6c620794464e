// What a client says in its key messages: who it is, what it can do, and whether it still is the same.
#include <algorithm>

#include "control/openvpn/server_session.h"

namespace culvert::openvpn {
namespace {

/// Names are compared as far as a record keeps them, so that a session which was adopted from one goes on.
bool same_name(std::string_view a, std::string_view b) {
  constexpr size_t kKept = sizeof(abi::ControlRecord::common_name) - 1;
  return a.substr(0, kKept) == b.substr(0, kKept);
}

}  // namespace

void ServerSession::on_key_method2(Negotiation& negotiation, KeyMethod2 message, Now now) {
  if (auto id = announced_peer_id(message.peer_info)) capabilities_.peer_id = id;  // also after a restart of control
  if (phase_ == Phase::kHandshake)
    first_keys(negotiation, message, now);
  else
    renewed_keys(negotiation, message, now);
}

void ServerSession::read_identity(const Negotiation& negotiation, const KeyMethod2& message,
                                  ClientIdentity& identity) const {
  const crypto::TlsStream& tls = negotiation.channel.tls();
  if (const crypto::PeerCertificate* peer = tls.peer()) {
    identity.common_name = peer->common_name;
    identity.subject = peer->subject;
    identity.serial = peer->serial;
    identity.certificate_hash = peer->sha256;
    identity.certificate_sha1 = peer->sha1;
    identity.issuers.clear();
    for (const crypto::PeerCertificate& issuer : peer->issuers)
      identity.issuers.push_back({issuer.subject, issuer.serial, issuer.sha256, issuer.sha1, issuer.pem});
    identity.certificate_pem = peer->pem;
  }
  identity.username = message.username;
  identity.has_credentials = message.has_credentials;
  identity.peer_info = message.peer_info;
  identity.tls_version = tls.version();
  identity.tls_cipher = tls.cipher();
}

void ServerSession::first_keys(const Negotiation& negotiation, KeyMethod2& message, Now now) {
  read_identity(negotiation, message, identity_);
  certificate_name_ = identity_.common_name;
  capabilities_ = parse_capabilities(message.peer_info);
  phase_ = Phase::kDeciding;
  if (engine_.on_identified) engine_.on_identified(*this, now);
  answer_keys(*first_negotiation(), message.options, now);
  if (phase_ != Phase::kDeciding) return;
  if (message.credentials_too_long) {
    refuse("Username or password is too long.", "username or password longer than the protocol allows", now);
    return;
  }
  auto agreement = agree(server_settings(), capabilities_, message.options);
  if (!agreement) {
    bool no_export = server_settings().require_key_export && !capabilities_.can(iv_proto::kTlsKeyExport);
    refuse(no_export ? "Client does not support TLS keying material exporters"
                     : "Data channel cipher negotiation failed (no shared cipher)",
           agreement.error(), now);
    return;
  }
  agreement_ = *agreement;
  if (disagrees_about_digest(agreement_, message.options))
    engine_.outputs.push_back(LogLine{LogLevel::kWarning, path_.remote,
                                      "client has auth " + printable(occ_option(message.options, "auth"), 32) +
                                          ", this server auth " + std::string(crypto::digest_name(agreement_.digest)) +
                                          ": with " + std::string(cipher_name(agreement_.cipher)) +
                                          " no packet will pass; make them equal, or allow an AEAD cipher"});
  push_asked_ = agreement_.push_at_once;
  ConnectRequest request{ref_, path_.remote, identity_, false};
  request.identity.password = std::move(message.password);
  engine_.outputs.push_back(std::move(request));
  identity_.certificate_pem.clear();
  for (ClientIssuer& issuer : identity_.issuers) issuer.pem.clear();
}

void ServerSession::renewed_keys(Negotiation& negotiation, KeyMethod2& message, Now now) {
  if (phase_ == Phase::kConnected) {
    if (!same_client(negotiation, message)) {
      const crypto::PeerCertificate* peer = negotiation.channel.tls().peer();
      std::string name = peer ? peer->common_name : std::string();
      answer_keys(negotiation, message.options, now);
      std::string text =
          "renegotiation as \"" + printable(name, 64) + "\" in a session of \"" + identity_.common_name + "\"";
      if (certificate_name_.empty() || same_name(name, certificate_name_)) text += ": other certificate or username";
      end(Goodbye::kAuthFailed, EndReason::kIdentityChanged, text, "", now);
      return;
    }
    if (server_settings().verify_renewals) {
      // Key and answer wait for the verdict: until then the client goes on with the key it has.
      renewal_ = Renewal{negotiation.channel.key_id(), message.options};
      ConnectRequest request{ref_, path_.remote, identity_, true};
      read_identity(negotiation, message, request.identity);
      request.identity.common_name = identity_.common_name;
      request.identity.password = std::move(message.password);
      engine_.outputs.push_back(std::move(request));
      return;
    }
    if (!install_keys(negotiation)) {
      end(Goodbye::kRestart, EndReason::kProtocolError, "data keys could not be derived", "", now);
      return;
    }
  }
  // A session that is ending goes through this as well: only the new channel takes our goodbye to the client.
  answer_keys(negotiation, message.options, now);
}

bool ServerSession::same_client(const Negotiation& negotiation, const KeyMethod2& message) const {
  const crypto::PeerCertificate* peer = negotiation.channel.tls().peer();
  std::vector<uint8_t> hash = peer ? peer->sha256 : std::vector<uint8_t>();
  // The certificate says the name; a record keeps only the session's, which may be the username.
  return hash == identity_.certificate_hash && same_name(message.username, identity_.username);
}

bool ServerSession::same_client(const ServerSession& other) const {
  if (identity_.certificate_hash != other.identity_.certificate_hash) return false;
  return !identity_.certificate_hash.empty() || same_name(identity_.username, other.identity_.username);
}

std::string ServerSession::own_peer_info() const {
  // A client that chose a peer-id for itself is told ours in the same way, each time, instead of by a push.
  return capabilities_.peer_id ? announce_peer_id(ref_.peer_id) : "";
}

void ServerSession::answer_keys(Negotiation& negotiation, std::string_view peer_options, Now now) {
  KeyMethod2 own;
  own.options = options_string(settings_, true, path_.remote, peer_options);
  own.peer_info = own_peer_info();
  send_key_method2(negotiation, std::move(own), now);
}

void ServerSession::accept_renewal(const std::vector<std::string>& options, Now now) {
  if (!renewal_ || phase_ != Phase::kConnected) return;
  Renewal renewal = std::move(*renewal_);
  renewal_.reset();
  Negotiation* negotiation = find(renewal.key_id);
  // Given up meanwhile; it is tried again, perhaps already, and then under the same key-id.
  if (!negotiation || negotiation->sent_keys || !negotiation->got_keys) return;
  if (!install_keys(*negotiation))
    return end(Goodbye::kRestart, EndReason::kProtocolError, "data keys could not be derived", "", now);
  answer_keys(*negotiation, renewal.options, now);
  push(options, now);
}

}  // namespace culvert::openvpn
