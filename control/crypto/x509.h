// Reading X.509 objects and keys from PEM, and what they say as text. Inside this folder only.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/crypto/certificate.h"
#include "control/crypto/openssl.h"
#include "dataplane/abi/result.h"

namespace culvert::crypto {

/// All certificates of the text, in order. Error when there is none or one is damaged.
Result<std::vector<OwnedX509>> load_certificates(std::string_view pem);
Result<std::vector<OwnedCrl>> load_crls(std::string_view pem);
/// A private key. Errors tell a missing or wrong password from damage.
Result<OwnedKey> load_key(std::string_view pem, std::string_view password);

std::string write_pem(X509* certificate);
std::string write_pem(X509_CRL* crl);
/// PKCS#8, not encrypted.
std::string write_pem(EVP_PKEY* key);

CertificateInfo describe(X509* certificate);

/// "CN=…", "O=…" in the certificate's order; control characters as '_'.
std::vector<std::string> name_parts(const X509_NAME* name);
/// All of them, with commas between.
std::string name_text(const X509_NAME* name);
/// The last CN of the name in UTF-8 as it stands there; nothing when there is none, it is empty or has a NUL inside.
std::optional<std::string> common_name(const X509_NAME* name);
/// Likewise for any field: "CN", "emailAddress", "UID", or a dotted number.
std::optional<std::string> name_field(const X509_NAME* name, const std::string& field);
/// Control characters as '_'.
std::string printable_name(std::string text);
std::string serial_text(const ASN1_INTEGER* serial);

std::chrono::sys_seconds to_time(const ASN1_TIME* time);
OwnedAsn1Time from_time(std::chrono::sys_seconds time);

}  // namespace culvert::crypto
