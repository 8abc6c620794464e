// Why a TLS handshake failed, in words that tell an operator what to do.
#include <openssl/sslerr.h>

#include "control/crypto/tls_internal.h"

namespace culvert::crypto {
namespace {

std::string quoted(const X509_NAME* name) {
  return "\"" + name_text(name) + "\"";
}

/// "client certificate "CN=alice"" or, further up the chain, "CA certificate …".
std::string who(const TlsStream::State& stream, const X509* certificate, int depth) {
  const char* kind = depth > 0                         ? "CA certificate "
                     : stream.role == TlsRole::kServer ? "client certificate "
                                                       : "server certificate ";
  return kind + (certificate != nullptr ? quoted(X509_get_subject_name(certificate)) : "");
}

std::string crl_error(int code, X509_STORE_CTX* store) {
  const X509_CRL* crl = X509_STORE_CTX_get0_current_crl(store);
  const std::string list =
      "the revocation list" + (crl != nullptr ? " of " + quoted(X509_CRL_get_issuer(crl)) : std::string());
  const ASN1_TIME* next = crl != nullptr ? X509_CRL_get0_nextUpdate(crl) : nullptr;
  const ASN1_TIME* last = crl != nullptr ? X509_CRL_get0_lastUpdate(crl) : nullptr;
  if (code == X509_V_ERR_CRL_HAS_EXPIRED && next != nullptr)
    return list + " expired on " + time_text(to_time(next)) + ", so nobody can be let in: put a new one in place";
  if (code == X509_V_ERR_CRL_NOT_YET_VALID && last != nullptr)
    return list + " is valid only from " + time_text(to_time(last)) + ": check this machine's clock";
  return list + " can't be used: " + X509_verify_cert_error_string(code);
}

std::string revoked_error(const std::string& subject, X509_STORE_CTX* store, X509* certificate) {
  std::string text = subject + " (serial " + serial_text(X509_get0_serialNumber(certificate)) + ") is revoked";
  X509_CRL* crl = X509_STORE_CTX_get0_current_crl(store);
  X509_REVOKED* entry = nullptr;
  if (crl != nullptr && X509_CRL_get0_by_cert(crl, &entry, certificate) == 1 && entry != nullptr)
    text += " since " + time_text(to_time(X509_REVOKED_get0_revocationDate(entry)));
  return text;
}

std::string explain_refusal(const TlsStream::State& stream, X509_STORE_CTX* store) {
  const int code = X509_STORE_CTX_get_error(store);
  const int depth = X509_STORE_CTX_get_error_depth(store);
  X509* certificate = X509_STORE_CTX_get_current_cert(store);
  const std::string subject = who(stream, certificate, depth);
  if (certificate == nullptr) return subject + "refused: " + X509_verify_cert_error_string(code);
  switch (code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return subject + " expired on " + time_text(to_time(X509_get0_notAfter(certificate))) + ": issue a new one";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return subject + " is valid only from " + time_text(to_time(X509_get0_notBefore(certificate))) +
             ": check the clocks of this machine and of the one that issued it";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return subject + " was issued by " + quoted(X509_get_issuer_name(certificate)) +
             ", which is not among our CAs: it belongs to another gateway, or an intermediate is missing";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return subject + " is self-signed and not among our CAs";
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return subject + " claims to be issued by " + quoted(X509_get_issuer_name(certificate)) +
             ", but that CA did not sign it: another CA of the same name, or a forgery";
    case X509_V_ERR_CERT_REVOKED:
      return revoked_error(subject, store, certificate);
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
    case X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY:
      return crl_error(code, store);
    case X509_V_ERR_INVALID_PURPOSE:
      return subject + " is not made for a " + (stream.role == TlsRole::kServer ? "client" : "server") +
             " (key usage or extended key usage)";
    default:
      return subject + " refused: " + X509_verify_cert_error_string(code);
  }
}

int refuse(TlsStream::State& stream, X509_STORE_CTX* store, int code, std::string text) {
  stream.verify_error = std::move(text);
  X509_STORE_CTX_set_error(store, code);
  return 0;
}

std::string version_text(TlsVersion version) {
  return version == TlsVersion::kTls12 ? "TLS 1.2" : "TLS 1.3";
}

/// Alerts that the peer sent arrive as reasons 1000 + alert number (SSL_AD_REASON_OFFSET).
std::string explain_alert(const TlsStream::State& stream, int alert) {
  const bool server = stream.role == TlsRole::kServer;
  const std::string peer = server ? "client" : "server";
  std::string text =
      "the " + peer + " ended the handshake with the alert \"" + SSL_alert_desc_string_long(alert) + "\"";
  switch (alert) {
    case SSL_AD_UNKNOWN_CA:
      return text + ": it does not know the CA of our certificate";
    case SSL_AD_CERTIFICATE_EXPIRED:
      return text + ": it takes our certificate for expired; check both clocks";
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_CERTIFICATE_REVOKED:
      return text + ": it refuses our certificate";
    case SSL_AD_PROTOCOL_VERSION:
      return text + ": no TLS version in common (tls-version-min, tls-version-max)";
    case SSL_AD_HANDSHAKE_FAILURE:
      return text + ": usually no cipher in common (tls-cipher), or our certificate is missing";
    default:
      return text;
  }
}

}  // namespace

int verify_peer(int accepted, X509_STORE_CTX* store) {
  TlsStream::State* stream = stream_of(store);
  if (stream == nullptr) return 0;
  if (accepted != 1) {
    // A CA without a list revokes nobody (as in the reference). make() has checked that each list belongs to a CA.
    if (X509_STORE_CTX_get_error(store) == X509_V_ERR_UNABLE_TO_GET_CRL) {
      X509_STORE_CTX_set_error(store, X509_V_OK);
      return 1;
    }
    if (may_lack_issuer(X509_STORE_CTX_get0_cert(store), *stream->policy, X509_STORE_CTX_get_error(store))) {
      X509_STORE_CTX_set_error(store, X509_V_OK);
      return 1;
    }
    stream->verify_error = explain_refusal(*stream, store);
    return 0;
  }
  const int depth = X509_STORE_CTX_get_error_depth(store);
  X509* certificate = X509_STORE_CTX_get_current_cert(store);
  const auto subject = [&] { return who(*stream, certificate, depth) + " "; };
  if (depth == 1)
    if (const std::string fault = check_issuer(certificate, *stream->policy); !fault.empty())
      return refuse(*stream, store, X509_V_ERR_APPLICATION_VERIFICATION, subject() + fault);
  if (depth != 0) return 1;
  const PeerFault fault = check_peer(certificate, *stream->policy, stream->role == TlsRole::kServer);
  if (fault.code != 0) return refuse(*stream, store, fault.code, subject() + fault.text);
  return 1;
}

std::string explain_failure(const TlsStream::State& stream) {
  if (!stream.verify_error.empty()) {
    ERR_clear_error();
    return stream.verify_error;
  }
  const bool server = stream.role == TlsRole::kServer;
  const unsigned long code = ERR_peek_error();
  const int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;
  const std::string details = take_errors();
  if (reason >= SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256)
    return explain_alert(stream, reason - SSL_AD_REASON_OFFSET);
  switch (reason) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_VERSION_TOO_HIGH:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
      return std::string("no TLS version in common: the ") + (server ? "client" : "server") + " does not take " +
             version_text(stream.min_version) + " or what else we offer (tls-version-min, tls-version-max)";
    case SSL_R_NO_SHARED_CIPHER:
      return "no cipher in common with the client: see tls-cipher, tls-ciphersuites and the kind of our key";
    case SSL_R_NO_SUITABLE_KEY_SHARE:
      return "no key-exchange group in common: see tls-groups";
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
      return "no signature algorithm in common that fits our certificate's key";
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return "the client sent no certificate, and this server requires one";
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
      return "the peer does not speak TLS: " + details;
    default:
      return "TLS failed: " + details;
  }
}

}  // namespace culvert::crypto
