// Making keys and certificates: see certificate.h.
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "control/crypto/primitives.h"
#include "control/crypto/x509.h"

namespace culvert::crypto {
namespace {

constexpr size_t kMaxCommonName = 64;  // RFC 5280, ub-common-name

Result<OwnedKey> make_key(KeyKind kind) {
  OwnedKey key(kind == KeyKind::kEcP256 ? EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")
                                        : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  if (!key) return Error{"can't make a key: " + take_errors()};
  return key;
}

Status set_common_name(X509* certificate, std::string_view name) {
  const bool odd = std::any_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; });
  if (name.empty() || name.size() > kMaxCommonName || odd)
    return Error{"a common name takes 1 to 64 bytes without control characters"};
  if (X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), NID_commonName, MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(name.data()), static_cast<int>(name.size()), -1,
                                 0) != 1)
    return Error{"common name \"" + std::string(name) + "\" is not valid UTF-8: " + take_errors()};
  return {};
}

/// 127 random bits, never 0: positive, and unpredictable as CAs should (RFC 5280, section 4.1.2.2).
bool set_random_serial(X509* certificate) {
  OwnedBignum number(BN_new());
  return number && BN_rand(number.get(), 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

Status set_validity(X509* certificate, const Validity& validity) {
  if (validity.until <= validity.from) return Error{"the validity ends before it begins"};
  OwnedAsn1Time from = from_time(validity.from);
  OwnedAsn1Time until = from_time(validity.until);
  if (!from || !until || X509_set1_notBefore(certificate, from.get()) != 1 ||
      X509_set1_notAfter(certificate, until.get()) != 1)
    return Error{"the validity is outside of what a certificate can say: " + take_errors()};
  return {};
}

bool add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  Owned<X509_EXTENSION, X509_EXTENSION_free> extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

/// Names go through GENERAL_NAME, not through OpenSSL's configuration syntax, where a comma would begin another name.
Status add_alternative_names(X509* certificate, const CertificateRequest& request) {
  Owned<GENERAL_NAMES, GENERAL_NAMES_free> names(GENERAL_NAMES_new());
  auto add = [&names](int type, const std::string& text, bool address) {
    GENERAL_NAME* name = a2i_GENERAL_NAME(nullptr, nullptr, nullptr, type, text.c_str(), 0);
    if (name == nullptr || sk_GENERAL_NAME_push(names.get(), name) == 0) {
      GENERAL_NAME_free(name);
      ERR_clear_error();
      return Status(Error{"\"" + text + "\" is no " + (address ? "IP address" : "DNS name")});
    }
    return Status();
  };
  for (const std::string& text : request.dns_names)
    if (Status added = add(GEN_DNS, text, false); !added) return added;
  for (const std::string& text : request.ip_addresses)
    if (Status added = add(GEN_IPADD, text, true); !added) return added;
  if (sk_GENERAL_NAME_num(names.get()) == 0) return {};
  if (X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) != 1)
    return Error{"subject alternative names: " + take_errors()};
  return {};
}

/// Ed25519 signs without a digest of its own.
const EVP_MD* signing_digest(EVP_PKEY* key) {
  return EVP_PKEY_is_a(key, "ED25519") ? nullptr : EVP_sha256();
}

/// A certificate with everything that CA and leaf have in common.
Result<OwnedX509> begin_certificate(std::string_view name, const Validity& validity, EVP_PKEY* key) {
  OwnedX509 certificate(X509_new());
  if (!certificate || X509_set_version(certificate.get(), X509_VERSION_3) != 1 ||
      !set_random_serial(certificate.get()) || X509_set_pubkey(certificate.get(), key) != 1)
    return Error{"can't make a certificate: " + take_errors()};
  if (Status done = set_common_name(certificate.get(), name); !done) return Error{done.error()};
  if (Status done = set_validity(certificate.get(), validity); !done) return Error{done.error()};
  return certificate;
}

Result<Identity> finish(X509* certificate, EVP_PKEY* key, EVP_PKEY* signer) {
  if (X509_sign(certificate, signer, signing_digest(signer)) == 0)
    return Error{"can't sign the certificate: " + take_errors()};
  Identity identity;
  identity.certificate_pem = write_pem(certificate);
  identity.key_pem = write_pem(key);
  if (identity.certificate_pem.empty() || identity.key_pem.empty()) return Error{"can't write PEM: " + take_errors()};
  return identity;
}

bool add_usage(X509* certificate, X509* issuer, CertificateUse use) {
  const bool server = use == CertificateUse::kServer;
  return add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
         add_extension(certificate, issuer, NID_key_usage, "critical,digitalSignature") &&
         (use == CertificateUse::kNoUsage ||
          add_extension(certificate, issuer, NID_ext_key_usage, server ? "serverAuth" : "clientAuth")) &&
         add_extension(certificate, issuer, NID_subject_key_identifier, "hash") &&
         add_extension(certificate, issuer, NID_authority_key_identifier, "keyid:always");
}

}  // namespace

Result<Identity> make_authority(std::string_view common_name, const Validity& validity, KeyKind key_kind) {
  auto key = make_key(key_kind);
  if (!key) return Error{key.error()};
  auto certificate = begin_certificate(common_name, validity, key->get());
  if (!certificate) return Error{certificate.error()};
  X509* self = certificate->get();
  if (X509_set_issuer_name(self, X509_get_subject_name(self)) != 1 ||
      !add_extension(self, self, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
      !add_extension(self, self, NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !add_extension(self, self, NID_subject_key_identifier, "hash") ||
      !add_extension(self, self, NID_authority_key_identifier, "keyid:always"))
    return Error{"can't make the CA certificate: " + take_errors()};
  return finish(self, key->get(), key->get());
}

Result<Identity> issue_certificate(const Identity& authority, const CertificateRequest& request) {
  auto ca = load_certificates(authority.certificate_pem);
  if (!ca) return Error{"CA certificate: " + ca.error()};
  auto ca_key = load_key(authority.key_pem, {});
  if (!ca_key) return Error{"CA key: " + ca_key.error()};
  X509* issuer = ca->front().get();
  if (X509_check_private_key(issuer, ca_key->get()) != 1) {
    ERR_clear_error();
    return Error{"the CA's key does not fit its certificate"};
  }
  auto key = make_key(request.key_kind);
  if (!key) return Error{key.error()};
  auto certificate = begin_certificate(request.common_name, request.validity, key->get());
  if (!certificate) return Error{certificate.error()};
  X509* leaf = certificate->get();
  if (X509_set_issuer_name(leaf, X509_get_subject_name(issuer)) != 1 || !add_usage(leaf, issuer, request.use))
    return Error{"can't make the certificate: " + take_errors()};
  if (Status done = add_alternative_names(leaf, request); !done) return Error{done.error()};
  return finish(leaf, key->get(), ca_key->get());
}

}  // namespace culvert::crypto
