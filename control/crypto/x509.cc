#include "control/crypto/x509.h"

#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>

#include "control/crypto/primitives.h"

namespace culvert::crypto {
namespace {

/// After a loop of PEM reads: did it end because there was no further block? Empties the error queue then.
bool at_end_of_pem() {
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) return false;
  ERR_clear_error();
  return true;
}

std::string clean(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, '_');
  return text;
}

/// UTF-8 of a name entry. Nothing when it is no string.
std::optional<std::string> entry_value(const X509_NAME_ENTRY* entry) {
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
  if (size < 0) {
    ERR_clear_error();
    return std::nullopt;
  }
  std::string value(reinterpret_cast<const char*>(utf8), static_cast<size_t>(size));
  OPENSSL_free(utf8);
  return value;
}

std::string entry_name(const X509_NAME_ENTRY* entry) {
  const ASN1_OBJECT* object = X509_NAME_ENTRY_get_object(entry);
  const int nid = OBJ_obj2nid(object);
  if (nid != NID_undef) return OBJ_nid2sn(nid);
  std::array<char, 80> dotted{};
  OBJ_obj2txt(dotted.data(), dotted.size(), object, 1);
  return dotted.data();
}

struct PasswordRequest {
  std::string_view password;
  bool asked = false;
};

int give_password(char* buffer, int size, int, void* context) {
  auto* request = static_cast<PasswordRequest*>(context);
  request->asked = true;
  if (request->password.empty() || request->password.size() > static_cast<size_t>(size)) return 0;
  std::memcpy(buffer, request->password.data(), request->password.size());
  return static_cast<int>(request->password.size());
}

template <class T>
std::string written(int (*write)(BIO*, const T*), const T* object) {
  OwnedBio bio(BIO_new(BIO_s_mem()));
  return bio && write(bio.get(), object) == 1 ? text_of(bio.get()) : std::string();
}

}  // namespace

Result<std::vector<OwnedX509>> load_certificates(std::string_view pem) {
  OwnedBio bio = bio_of(pem);
  std::vector<OwnedX509> certificates;
  PasswordRequest none;
  while (bio) {
    OwnedX509 certificate(PEM_read_bio_X509(bio.get(), nullptr, give_password, &none));
    if (!certificate) break;
    certificates.push_back(std::move(certificate));
  }
  if (!at_end_of_pem()) return Error{"a certificate is damaged: " + take_errors()};
  if (certificates.empty()) return Error{"no \"-----BEGIN CERTIFICATE-----\" in it"};
  return certificates;
}

Result<std::vector<OwnedCrl>> load_crls(std::string_view pem) {
  OwnedBio bio = bio_of(pem);
  std::vector<OwnedCrl> crls;
  PasswordRequest none;
  while (bio) {
    OwnedCrl crl(PEM_read_bio_X509_CRL(bio.get(), nullptr, give_password, &none));
    if (!crl) break;
    crls.push_back(std::move(crl));
  }
  if (!at_end_of_pem()) return Error{"the revocation list is damaged: " + take_errors()};
  if (crls.empty()) return Error{"no \"-----BEGIN X509 CRL-----\" in it"};
  return crls;
}

Result<OwnedKey> load_key(std::string_view pem, std::string_view password) {
  OwnedBio bio = bio_of(pem);
  PasswordRequest request{password};
  OwnedKey key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, give_password, &request) : nullptr);
  if (key) return key;
  if (request.asked && password.empty()) {
    ERR_clear_error();
    return Error{
        "the key is protected by a password and none was given: name a password file, or take the protection off "
        "with `openssl pkey`"};
  }
  if (request.asked) {
    ERR_clear_error();
    return Error{"the password does not open the key"};
  }
  if (pem.find("PRIVATE KEY-----") == pem.npos) {
    ERR_clear_error();
    return Error{"no private key in it (a line like \"-----BEGIN PRIVATE KEY-----\" is expected)"};
  }
  return Error{"the key is damaged: " + take_errors()};
}

std::string write_pem(X509* certificate) {
  return written<X509>(PEM_write_bio_X509, certificate);
}

std::string write_pem(X509_CRL* crl) {
  return written<X509_CRL>(PEM_write_bio_X509_CRL, crl);
}

std::string write_pem(EVP_PKEY* key) {
  OwnedBio bio(BIO_new(BIO_s_secmem()));
  if (!bio || PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) return {};
  return text_of(bio.get());
}

std::vector<std::string> name_parts(const X509_NAME* name) {
  std::vector<std::string> parts;
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
    parts.push_back(entry_name(entry) + "=" + clean(entry_value(entry).value_or("?")));
  }
  return parts;
}

std::string name_text(const X509_NAME* name) {
  std::string text;
  for (const std::string& part : name_parts(name)) text += (text.empty() ? "" : ", ") + part;
  return text.empty() ? "(empty name)" : text;
}

std::string printable_name(std::string text) {
  return clean(std::move(text));
}

std::optional<std::string> common_name(const X509_NAME* name) {
  return name_field(name, "CN");
}

std::optional<std::string> name_field(const X509_NAME* name, const std::string& field) {
  Owned<ASN1_OBJECT, ASN1_OBJECT_free> object(OBJ_txt2obj(field.c_str(), 0));
  if (!object) {
    ERR_clear_error();
    return std::nullopt;
  }
  int last = -1;
  for (int i = X509_NAME_get_index_by_OBJ(name, object.get(), -1); i >= 0;
       i = X509_NAME_get_index_by_OBJ(name, object.get(), i))
    last = i;
  if (last < 0) return std::nullopt;
  auto value = entry_value(X509_NAME_get_entry(name, last));
  if (!value || value->empty() || value->find('\0') != std::string::npos) return std::nullopt;
  return value;
}

std::string serial_text(const ASN1_INTEGER* serial) {
  OwnedBignum number(ASN1_INTEGER_to_BN(serial, nullptr));
  char* decimal = number ? BN_bn2dec(number.get()) : nullptr;
  std::string text = decimal != nullptr ? decimal : "";
  OPENSSL_free(decimal);
  return text;
}

std::chrono::sys_seconds to_time(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) {
    ERR_clear_error();
    return {};
  }
  return std::chrono::sys_seconds(std::chrono::seconds(timegm(&parts)));
}

OwnedAsn1Time from_time(std::chrono::sys_seconds time) {
  return OwnedAsn1Time(ASN1_TIME_set(nullptr, static_cast<time_t>(time.time_since_epoch().count())));
}

CertificateInfo describe(X509* certificate) {
  CertificateInfo info;
  const X509_NAME* subject = X509_get_subject_name(certificate);
  info.common_name = clean(common_name(subject).value_or(""));
  info.subject = name_parts(subject);
  info.issuer = name_text(X509_get_issuer_name(certificate));
  const ASN1_INTEGER* serial = X509_get0_serialNumber(certificate);
  info.serial = serial_text(serial);
  OwnedBignum number(ASN1_INTEGER_to_BN(serial, nullptr));
  if (char* hex = number ? BN_bn2hex(number.get()) : nullptr) {
    info.serial_hex = hex;
    OPENSSL_free(hex);
  }
  info.validity = {to_time(X509_get0_notBefore(certificate)), to_time(X509_get0_notAfter(certificate))};
  info.sha256.resize(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  X509_digest(certificate, fetched_sha256(), info.sha256.data(), &size);
  info.sha256.resize(size);
  info.authority = X509_check_ca(certificate) > 0;
  ERR_clear_error();
  return info;
}

}  // namespace culvert::crypto
