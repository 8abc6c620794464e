#include "control/crypto/peer_policy.h"

#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>

#include "control/crypto/tls_internal.h"

namespace culvert::crypto {
namespace {

/// remote-cert-tls: key usage must be there, and extended key usage must name the peer's side (ssl_verify.c).
bool usage_fits(X509* certificate, PeerUsage usage) {
  if (usage == PeerUsage::kAny) return true;
  const uint32_t flags = X509_get_extension_flags(certificate);
  if ((flags & EXFLAG_KUSAGE) == 0 || (flags & EXFLAG_XKUSAGE) == 0) return false;
  const uint32_t wanted = usage == PeerUsage::kClient ? XKU_SSL_CLIENT : XKU_SSL_SERVER;
  return (X509_get_extended_key_usage(certificate) & wanted) != 0;
}

bool key_usage_fits(X509* certificate, const std::vector<uint32_t>& wanted) {
  if ((X509_get_extension_flags(certificate) & EXFLAG_KUSAGE) == 0) return false;
  const uint32_t has = X509_get_key_usage(certificate);
  return wanted.empty() || std::ranges::any_of(wanted, [has](uint32_t bits) { return (has & bits) == bits; });
}

std::string object_text(const ASN1_OBJECT* object, bool dotted) {
  std::array<char, 128> text{};
  OBJ_obj2txt(text.data(), text.size(), object, dotted ? 1 : 0);
  return text.data();
}

bool extended_key_usage_fits(X509* certificate, const std::string& wanted) {
  auto* usages = static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(certificate, NID_ext_key_usage, nullptr, nullptr));
  bool found = false;
  for (int i = 0; i < sk_ASN1_OBJECT_num(usages); ++i) {
    const ASN1_OBJECT* usage = sk_ASN1_OBJECT_value(usages, i);
    found = found || object_text(usage, false) == wanted || object_text(usage, true) == wanted;
  }
  sk_ASN1_OBJECT_pop_free(usages, ASN1_OBJECT_free);
  return found;
}

std::optional<std::string> text_without_nul(const ASN1_STRING* string) {
  const auto* data = reinterpret_cast<const char*>(ASN1_STRING_get0_data(string));
  std::string text(data, static_cast<size_t>(ASN1_STRING_length(string)));
  if (text.empty() || text.find('\0') != std::string::npos) return std::nullopt;
  return text;
}

std::optional<std::string> first_email(X509* certificate) {
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  std::optional<std::string> found;
  for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_EMAIL) found = text_without_nul(name->d.rfc822Name);
  }
  GENERAL_NAMES_free(names);
  return found;
}

std::optional<std::string> serial_hex(X509* certificate) {
  OwnedBignum number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
  char* hex = number ? BN_bn2hex(number.get()) : nullptr;
  if (hex == nullptr) return std::nullopt;
  std::string text = "0x" + std::string(hex);
  OPENSSL_free(hex);
  return text;
}

std::optional<std::string> field_value(X509* certificate, const std::string& field) {
  if (field == "ext:subjectAltName") return first_email(certificate);
  if (field == "serialNumber") return serial_hex(certificate);
  return name_field(X509_get_subject_name(certificate), field);
}

bool has_fingerprint(X509* certificate, const std::vector<PeerPolicy::Fingerprint>& wanted) {
  PeerPolicy::Fingerprint found{};
  unsigned size = 0;
  return X509_digest(certificate, fetched_sha256(), found.data(), &size) == 1 && size == found.size() &&
         std::ranges::find(wanted, found) != wanted.end();
}

bool name_fits(X509* certificate, const PeerPolicy& policy, const std::string& name) {
  switch (policy.name_match) {
    case PeerPolicy::NameMatch::kNone:
      return true;
    case PeerPolicy::NameMatch::kSubject:
      return name_text(X509_get_subject_name(certificate)) == policy.name;
    case PeerPolicy::NameMatch::kName:
      return name == policy.name;
    case PeerPolicy::NameMatch::kNamePrefix:
      return name.starts_with(policy.name);
  }
  return false;
}

}  // namespace

std::optional<std::string> peer_name(X509* certificate, const PeerPolicy& policy) {
  if (policy.name_fields.empty()) return common_name(X509_get_subject_name(certificate));
  std::string name;
  for (const std::string& field : policy.name_fields) {
    auto value = field_value(certificate, field);
    if (!value) return std::nullopt;
    name += (name.empty() ? "" : "_") + *value;
  }
  return name;
}

bool may_lack_issuer(X509* certificate, const PeerPolicy& policy, int error) {
  switch (error) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return certificate != nullptr && has_fingerprint(certificate, policy.fingerprints);
    default:
      return false;
  }
}

PeerFault check_peer(X509* certificate, const PeerPolicy& policy, bool peer_is_client) {
  if (!usage_fits(certificate, policy.usage))
    return {X509_V_ERR_INVALID_PURPOSE, std::string("is not made for a ") + (peer_is_client ? "client" : "server") +
                                            " (key usage or extended key usage): issue one with extended key usage " +
                                            (peer_is_client ? "clientAuth" : "serverAuth")};
  if (policy.key_usages && !key_usage_fits(certificate, *policy.key_usages))
    return {X509_V_ERR_INVALID_PURPOSE, "has not the key usage that remote-cert-ku asks for"};
  if (!policy.extended_key_usage.empty() && !extended_key_usage_fits(certificate, policy.extended_key_usage))
    return {X509_V_ERR_INVALID_PURPOSE,
            "has not the extended key usage that remote-cert-eku asks for, " + policy.extended_key_usage};
  if (!policy.fingerprints.empty() && !has_fingerprint(certificate, policy.fingerprints))
    return {X509_V_ERR_APPLICATION_VERIFICATION, "is none of those whose fingerprints peer-fingerprint lists"};
  auto name = peer_name(certificate, policy);
  if (!name || name->empty() || name->size() > kMaxPeerName) {
    std::string fields;
    for (const std::string& field : policy.name_fields) fields += (fields.empty() ? "" : ", ") + field;
    return {X509_V_ERR_APPLICATION_VERIFICATION,
            "has no usable " + (fields.empty() ? "common name" : fields + " (x509-username-field)") +
                ": it takes 1 to 64 bytes without NUL"};
  }
  if (!name_fits(certificate, policy, *name))
    return {X509_V_ERR_APPLICATION_VERIFICATION, "is not named as verify-x509-name asks for, \"" + policy.name + "\""};
  return {};
}

std::string check_issuer(X509* certificate, const PeerPolicy& policy) {
  bool fits = policy.issuer_fingerprints.empty() || has_fingerprint(certificate, policy.issuer_fingerprints);
  return fits ? "" : "is not the one whose fingerprint verify-hash names";
}

}  // namespace culvert::crypto
