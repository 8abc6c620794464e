// Revocation lists: see certificate.h.
#include <openssl/x509v3.h>

#include <algorithm>

#include "control/crypto/x509.h"

namespace culvert::crypto {
namespace {

OwnedAsn1Integer integer_of(const std::string& decimal) {
  BIGNUM* parsed = nullptr;
  const bool whole = !decimal.empty() && BN_dec2bn(&parsed, decimal.c_str()) == static_cast<int>(decimal.size());
  OwnedBignum number(parsed);
  return OwnedAsn1Integer(whole ? BN_to_ASN1_INTEGER(number.get(), nullptr) : nullptr);
}

Status add_entry(X509_CRL* crl, const Revocation& revocation) {
  OwnedAsn1Integer serial = integer_of(revocation.serial);
  OwnedAsn1Time when = from_time(revocation.when);
  OwnedRevoked entry(X509_REVOKED_new());
  if (!serial) return Error{"\"" + revocation.serial + "\" is no decimal serial number"};
  if (!when || !entry || X509_REVOKED_set_serialNumber(entry.get(), serial.get()) != 1 ||
      X509_REVOKED_set_revocationDate(entry.get(), when.get()) != 1 || X509_CRL_add0_revoked(crl, entry.get()) != 1)
    return Error{"can't revoke serial " + revocation.serial + ": " + take_errors()};
  static_cast<void>(entry.release());  // the list owns it now
  return {};
}

bool add_number(X509_CRL* crl, X509* issuer, uint64_t number) {
  OwnedAsn1Integer value(ASN1_INTEGER_new());
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, nullptr, nullptr, crl, 0);
  Owned<X509_EXTENSION, X509_EXTENSION_free> issuer_key(
      X509V3_EXT_conf_nid(nullptr, &context, NID_authority_key_identifier, "keyid:always"));
  return value && ASN1_INTEGER_set_uint64(value.get(), number) == 1 &&
         X509_CRL_add1_ext_i2d(crl, NID_crl_number, value.get(), 0, X509V3_ADD_DEFAULT) == 1 && issuer_key &&
         X509_CRL_add_ext(crl, issuer_key.get(), -1) == 1;
}

bool set_head(X509_CRL* crl, X509* issuer, const Validity& validity) {
  OwnedAsn1Time from = from_time(validity.from);
  OwnedAsn1Time until = from_time(validity.until);
  return from && until && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
         X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer)) == 1 &&
         X509_CRL_set1_lastUpdate(crl, from.get()) == 1 && X509_CRL_set1_nextUpdate(crl, until.get()) == 1;
}

}  // namespace

Result<std::string> make_crl(const Identity& authority, std::span<const Revocation> revoked, uint64_t number,
                             const Validity& validity) {
  auto ca = load_certificates(authority.certificate_pem);
  if (!ca) return Error{"CA certificate: " + ca.error()};
  auto key = load_key(authority.key_pem, {});
  if (!key) return Error{"CA key: " + key.error()};
  X509* issuer = ca->front().get();
  if (X509_check_private_key(issuer, key->get()) != 1) {
    ERR_clear_error();
    return Error{"the CA's key does not fit its certificate"};
  }
  if (validity.until <= validity.from) return Error{"the revocation list would expire before it is valid"};
  OwnedCrl crl(X509_CRL_new());
  if (!crl || !set_head(crl.get(), issuer, validity)) return Error{"can't make a revocation list: " + take_errors()};
  for (const Revocation& revocation : revoked)
    if (Status added = add_entry(crl.get(), revocation); !added) return Error{added.error()};
  const EVP_MD* digest = EVP_PKEY_is_a(key->get(), "ED25519") ? nullptr : EVP_sha256();
  if (!add_number(crl.get(), issuer, number) || X509_CRL_sort(crl.get()) != 1 ||
      X509_CRL_sign(crl.get(), key->get(), digest) == 0)
    return Error{"can't sign the revocation list: " + take_errors()};
  std::string pem = write_pem(crl.get());
  if (pem.empty()) return Error{"can't write the revocation list: " + take_errors()};
  return pem;
}

Result<CrlInfo> read_crl(std::string_view pem) {
  auto crls = load_crls(pem);
  if (!crls) return Error{crls.error()};
  X509_CRL* crl = crls->front().get();
  CrlInfo info;
  info.issuer = name_text(X509_CRL_get_issuer(crl));
  info.validity.from = to_time(X509_CRL_get0_lastUpdate(crl));
  const ASN1_TIME* next = X509_CRL_get0_nextUpdate(crl);
  info.expires = next != nullptr;
  info.validity.until = info.expires ? to_time(next) : info.validity.from;
  OwnedAsn1Integer number(static_cast<ASN1_INTEGER*>(X509_CRL_get_ext_d2i(crl, NID_crl_number, nullptr, nullptr)));
  if (number) ASN1_INTEGER_get_uint64(&info.number, number.get());
  STACK_OF(X509_REVOKED)* revoked = X509_CRL_get_REVOKED(crl);
  for (int i = 0; i < sk_X509_REVOKED_num(revoked); ++i) {
    const X509_REVOKED* entry = sk_X509_REVOKED_value(revoked, i);
    info.revoked.push_back(
        {serial_text(X509_REVOKED_get0_serialNumber(entry)), to_time(X509_REVOKED_get0_revocationDate(entry))});
  }
  ERR_clear_error();
  return info;
}

Result<std::string> add_to_crl(std::string_view crl_pem, const Identity& authority, const Revocation& revocation,
                               const Validity& validity) {
  auto info = read_crl(crl_pem);
  if (!info) return Error{info.error()};
  // The old list's entries are signed again, so they must have been this CA's in the first place.
  auto crls = load_crls(crl_pem);
  auto ca = load_certificates(authority.certificate_pem);
  if (!crls || !ca) return Error{!ca ? "CA certificate: " + ca.error() : crls.error()};
  const bool genuine = X509_CRL_verify(crls->front().get(), X509_get0_pubkey(ca->front().get())) == 1;
  ERR_clear_error();
  if (!genuine) return Error{"the revocation list is not signed by this CA: damaged, or of another CA"};
  const bool known = std::any_of(info->revoked.begin(), info->revoked.end(),
                                 [&revocation](const Revocation& entry) { return entry.serial == revocation.serial; });
  if (!known) info->revoked.push_back(revocation);
  return make_crl(authority, info->revoked, info->number + 1, validity);
}

}  // namespace culvert::crypto
