#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <climits>

#include "control/crypto/tls_internal.h"
#include "control/crypto/tls_key_kinds.h"
#include "control/crypto/tls_library.h"

namespace culvert::crypto {
namespace {

using std::chrono::sys_seconds;

constexpr std::chrono::days kWarnBefore{14};

/// The reference's own choice (ssl_openssl.c, tls_ctx_restrict_ciphers): forward secrecy, no weak or odd modes.
constexpr const char* kDefaultCiphers = "DEFAULT:!EXP:!LOW:!MEDIUM:!kDH:!kECDH:!DSS:!PSK:!SRP:!kRSA";

/// For tls-cert-profile suiteb (RFC 6460); tls_ctx_set_cert_profile.
constexpr const char* kSuiteBCiphers = "SUITEB128";

/// Bits of security that keys and digests must have (SSL_CTX_set_security_level(3)), as the reference maps profiles.
int security_level(CertificateProfile profile) {
  switch (profile) {
    case CertificateProfile::kInsecure:
      return 0;
    case CertificateProfile::kLegacy:
      return 1;
    case CertificateProfile::kPreferred:
      return 2;
    case CertificateProfile::kSuiteB:
      return 3;
  }
  return 1;
}

int openssl_version(TlsVersion version) {
  return version == TlsVersion::kTls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

/// OpenVPN's tls-cipher takes IANA names with dashes ("TLS-ECDHE-RSA-WITH-AES-256-GCM-SHA384"): OpenSSL's name for one,
/// or the word itself.
std::string openssl_cipher_name(const std::string& word) {
  static const OwnedSslCtx all = [] {
    OwnedSslCtx context(SSL_CTX_new(TLS_method()));
    if (context) SSL_CTX_set_cipher_list(context.get(), "ALL:COMPLEMENTOFALL");
    return context;
  }();
  if (!all || !word.starts_with("TLS-")) return word;
  std::string standard = word;
  std::replace(standard.begin(), standard.end(), '-', '_');
  STACK_OF(SSL_CIPHER)* ciphers = SSL_CTX_get_ciphers(all.get());
  for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); ++i) {
    const SSL_CIPHER* cipher = sk_SSL_CIPHER_value(ciphers, i);
    if (const char* name = SSL_CIPHER_standard_name(cipher); name != nullptr && standard == name)
      return SSL_CIPHER_get_name(cipher);
  }
  return word;
}

std::string openssl_cipher_list(const std::string& list) {
  std::string out;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(':', begin), list.size());
    if (begin != 0) out += ':';
    out += openssl_cipher_name(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

Status set_policy(SSL_CTX* context, const TlsSettings& settings) {
  SSL_CTX_set_options(
      context, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_security_level(context, security_level(settings.profile));
  if (SSL_CTX_set_min_proto_version(context, openssl_version(settings.min_version)) != 1 ||
      (settings.max_version && SSL_CTX_set_max_proto_version(context, openssl_version(*settings.max_version)) != 1))
    return Error{"TLS version: this machine's crypto policy refuses it: " + take_errors()};
  if (settings.max_version && *settings.max_version < settings.min_version)
    return Error{"TLS version: tls-version-max is below tls-version-min"};
  const char* own_ciphers = settings.profile == CertificateProfile::kSuiteB ? kSuiteBCiphers : kDefaultCiphers;
  const std::string ciphers = settings.ciphers.empty() ? own_ciphers : openssl_cipher_list(settings.ciphers);
  if (SSL_CTX_set_cipher_list(context, ciphers.c_str()) != 1) {
    ERR_clear_error();
    return Error{"tls-cipher: nothing in \"" + settings.ciphers +
                 "\" is a TLS 1.2 cipher of this machine: see `openssl "
                 "ciphers -tls1_2 -s`"};
  }
  // A well-known group (RFC 3526, RFC 2409) as strong as the certificate's key: no file is needed, and none too weak.
  if (settings.finite_fields) SSL_CTX_set_dh_auto(context, 1);
  if (!settings.ciphersuites.empty()) {
    std::string suites = settings.ciphersuites;
    std::replace(suites.begin(), suites.end(), '-', '_');
    if (SSL_CTX_set_ciphersuites(context, suites.c_str()) != 1) {
      ERR_clear_error();
      return Error{"tls-ciphersuites: not all of \"" + settings.ciphersuites +
                   "\" are TLS 1.3 ciphers of this machine: see `openssl ciphers -tls1_3 -s`"};
    }
  }
  if (!settings.groups.empty() && SSL_CTX_set1_groups_list(context, settings.groups.c_str()) != 1) {
    ERR_clear_error();
    return Error{"tls-groups: not all of \"" + settings.groups +
                 "\" are groups of this machine: X25519, P-256 and P-384 are usual"};
  }
  return {};
}

/// Signatures by these are made or verified in tls_library().
void expect_keys_of(const std::vector<OwnedX509>& certificates) {
  const auto has_ec_key = [](const OwnedX509& certificate) {
    const EVP_PKEY* key = X509_get0_pubkey(certificate.get());
    return key != nullptr && EVP_PKEY_is_a(key, "EC") == 1;
  };
  if (!std::all_of(certificates.begin(), certificates.end(), has_ec_key)) add_other_keys();
  ERR_clear_error();
}

Status load_authorities(TlsContext::State& state, const std::string& pem) {
  auto authorities = load_certificates(pem);
  if (!authorities) return Error{"ca: " + authorities.error()};
  expect_keys_of(*authorities);
  X509_STORE* store = SSL_CTX_get_cert_store(state.context.get());
  for (const OwnedX509& authority : *authorities) {
    if (X509_STORE_add_cert(store, authority.get()) != 1) return Error{"ca: " + take_errors()};
    if (state.role == TlsRole::kServer && SSL_CTX_add_client_CA(state.context.get(), authority.get()) != 1)
      return Error{"ca: " + take_errors()};
    state.signatures->add_authority(authority.get());
    // Where openssl.cnf has another provider than the default one, signatures are verified as it says.
    if (state.role == TlsRole::kServer && tls_library() != nullptr) state.signatures->expect_many_of(authority.get());
  }
  use_known_signatures(store);
  AuthorityPeers known;
  for (const OwnedX509& authority : *authorities) {
    if (X509_up_ref(authority.get()) != 1) continue;
    known.held.emplace_back(authority.get());
    known.peers.emplace(authority.get(), as_peer(authority.get(), state.export_certificates));
  }
  state.authority_peers = std::make_shared<const AuthorityPeers>(std::move(known));
  state.authorities = std::move(*authorities);
  return {};
}

/// The chain that goes out with our certificate. When the file has none, OpenSSL looks for one among the CAs, and
/// verifies it, in every handshake; it comes out the same, so it is looked for once. If it is too weak for the security
/// level, OpenSSL goes on trying and says so in the handshake.
void find_own_chain(SSL_CTX* context) {
  SSL_CTX_build_cert_chain(context, SSL_BUILD_CHAIN_FLAG_IGNORE_ERROR | SSL_BUILD_CHAIN_FLAG_CLEAR_ERROR);
  ERR_clear_error();
}

Status load_identity(SSL_CTX* context, const TlsSettings& settings) {
  auto chain = load_certificates(settings.certificate_pem);
  if (!chain) return Error{"cert: " + chain.error()};
  expect_keys_of(*chain);
  auto key = load_key(settings.key_pem, settings.key_password);
  if (!key) return Error{"key: " + key.error()};
  if (SSL_CTX_use_certificate(context, chain->front().get()) != 1)
    return Error{"cert: the TLS library refuses the certificate: " + take_errors()};
  for (size_t i = 1; i < chain->size(); ++i)
    if (SSL_CTX_add1_chain_cert(context, (*chain)[i].get()) != 1)
      return Error{"cert: the TLS library refuses an intermediate certificate: " + take_errors()};
  if (X509_check_private_key(chain->front().get(), key->get()) != 1)
    return Error{"key: the private key does not fit the certificate (" +
                 name_text(X509_get_subject_name(chain->front().get())) +
                 "): use the key that was made with it: " + take_errors()};
  if (SSL_CTX_use_PrivateKey(context, key->get()) != 1)
    return Error{"key: the TLS library refuses the key: " + take_errors()};
  if (chain->size() == 1) find_own_chain(context);
  return {};
}

Status load_revocations(TlsContext::State& state, const std::string& pem) {
  auto crls = load_crls(pem);
  if (!crls) return Error{"crl-verify: " + crls.error()};
  X509_STORE* store = SSL_CTX_get_cert_store(state.context.get());
  for (const OwnedCrl& crl : *crls) {
    const X509_NAME* issuer = X509_CRL_get_issuer(crl.get());
    bool genuine = false;
    bool known = false;
    for (const OwnedX509& authority : state.authorities) {
      if (X509_NAME_cmp(issuer, X509_get_subject_name(authority.get())) != 0) continue;
      known = true;
      if (X509_CRL_verify(crl.get(), X509_get0_pubkey(authority.get())) != 1) continue;
      genuine = true;
      state.signatures->add_list(crl.get(), authority.get());
    }
    ERR_clear_error();
    if (!genuine)
      return Error{"crl-verify: the list of \"" + name_text(issuer) + "\" " +
                   (known ? "is not signed by the CA of that name in ca: damaged, or of an older CA"
                          : "is of none of the CAs in ca: it would revoke nothing")};
    if (X509_STORE_add_crl(store, crl.get()) != 1) return Error{"crl-verify: " + take_errors()};
  }
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  state.crls = std::move(*crls);
  return {};
}

void warn_of_validity(std::vector<std::string>& out, const std::string& what, X509* certificate, sys_seconds wall) {
  const CertificateInfo info = describe(certificate);
  const std::string who = what + " \"" + name_text(X509_get_subject_name(certificate)) + "\"";
  if (info.validity.from > wall)
    out.push_back(who + " is valid only from " + time_text(info.validity.from) +
                  ": handshakes fail until then; check this machine's clock");
  else if (info.validity.until < wall)
    out.push_back(who + " expired on " + time_text(info.validity.until) +
                  ": handshakes fail until a new one is in place");
  else if (info.validity.until < wall + kWarnBefore)
    out.push_back(who + " expires soon, on " + time_text(info.validity.until) + ": put a new one in place before");
}

}  // namespace

TlsContext::TlsContext() : state_(std::make_unique<State>()) {}
TlsContext::~TlsContext() = default;

Result<std::shared_ptr<const TlsContext>> TlsContext::make(const TlsSettings& settings) {
  std::shared_ptr<TlsContext> made(new TlsContext);
  State& state = *made->state_;
  state.role = settings.role;
  state.min_version = settings.min_version;
  state.policy = std::make_shared<const PeerPolicy>(settings.peer);
  state.export_certificates = settings.export_peer_certificates;
  state.context = new_tls_context(settings.role == TlsRole::kServer ? TLS_server_method() : TLS_client_method());
  SSL_CTX* context = state.context.get();
  if (context == nullptr) return Error{"can't start TLS: " + take_errors()};
  if (Status done = set_policy(context, settings); !done) return Error{done.error()};
  if (!settings.ca_pem.empty() || settings.peer.fingerprints.empty())
    if (Status done = load_authorities(state, settings.ca_pem); !done) return Error{done.error()};
  if (!settings.certificate_pem.empty() || settings.role == TlsRole::kServer)
    if (Status done = load_identity(context, settings); !done) return Error{done.error()};
  if (!settings.crl_pem.empty())
    if (Status done = load_revocations(state, settings.crl_pem); !done) return Error{done.error()};
  int mode = SSL_VERIFY_PEER;
  if (settings.require_peer_certificate) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  if (!settings.ask_peer_certificate) mode = SSL_VERIFY_NONE;
  SSL_CTX_set_verify(context, mode, verify_peer);
  expect_any_key(context);
  return std::shared_ptr<const TlsContext>(std::move(made));
}

bool TlsContext::revoked(std::string_view serial) const {
  const std::string text(serial);
  BIGNUM* parsed = nullptr;
  if (text.empty() || BN_dec2bn(&parsed, text.c_str()) != static_cast<int>(text.size())) {
    BN_free(parsed);
    ERR_clear_error();
    return false;
  }
  OwnedBignum number(parsed);
  OwnedAsn1Integer wanted(BN_to_ASN1_INTEGER(number.get(), nullptr));
  if (!wanted) return false;
  return std::any_of(state_->crls.begin(), state_->crls.end(), [&wanted](const OwnedCrl& crl) {
    X509_REVOKED* entry = nullptr;
    return X509_CRL_get0_by_serial(crl.get(), &entry, wanted.get()) == 1;
  });
}

std::vector<std::string> TlsContext::warnings(sys_seconds wall) const {
  std::vector<std::string> out;
  const bool server = state_->role == TlsRole::kServer;
  for (const OwnedX509& authority : state_->authorities) warn_of_validity(out, "CA certificate", authority.get(), wall);
  if (X509* own = SSL_CTX_get0_certificate(state_->context.get())) {
    warn_of_validity(out, "certificate", own, wall);
    if (X509_check_purpose(own, server ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT, 0) != 1)
      out.push_back(std::string("certificate is not made for a ") + (server ? "server" : "client") +
                    " (extended key usage): the other side will refuse it");
  }
  for (const OwnedCrl& crl : state_->crls) {
    const std::string who = "revocation list of \"" + name_text(X509_CRL_get_issuer(crl.get())) + "\"";
    const ASN1_TIME* next = X509_CRL_get0_nextUpdate(crl.get());
    if (next != nullptr && to_time(next) < wall)
      out.push_back(who + " expired on " + time_text(to_time(next)) +
                    ": every client is refused until a new one is in place");
    else if (next != nullptr && to_time(next) < wall + kWarnBefore)
      out.push_back(who + " expires soon, on " + time_text(to_time(next)));
  }
  ERR_clear_error();
  return out;
}

}  // namespace culvert::crypto
