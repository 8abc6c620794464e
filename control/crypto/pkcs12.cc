#include "control/crypto/pkcs12.h"

#include <openssl/pkcs12.h>

#include <climits>

#include "control/crypto/x509.h"

namespace culvert::crypto {
namespace {

using OwnedPkcs12 = Owned<PKCS12, PKCS12_free>;

struct FreeCertificates {
  void operator()(STACK_OF(X509) * certificates) const { sk_X509_pop_free(certificates, X509_free); }
};

}  // namespace

Result<Pkcs12Parts> read_pkcs12(std::string_view bytes, const std::string& password) {
  OwnedBio bio(bytes.size() <= INT_MAX ? bio_of(bytes) : nullptr);
  OwnedPkcs12 file(bio ? d2i_PKCS12_bio(bio.get(), nullptr) : nullptr);
  if (!file) {
    ERR_clear_error();
    return Error{"is not a PKCS #12 file"};
  }
  bool opens = PKCS12_verify_mac(file.get(), password.c_str(), static_cast<int>(password.size())) == 1 ||
               (password.empty() && PKCS12_verify_mac(file.get(), nullptr, 0) == 1);
  if (!opens) {
    ERR_clear_error();
    return Error{password.empty() ? "is protected by a password: name a file that holds it with askpass"
                                  : "the password of askpass does not open it"};
  }
  EVP_PKEY* key = nullptr;
  X509* certificate = nullptr;
  STACK_OF(X509)* others = nullptr;
  int parsed = PKCS12_parse(file.get(), password.c_str(), &key, &certificate, &others);
  OwnedKey owned_key(key);
  OwnedX509 owned_certificate(certificate);
  std::unique_ptr<STACK_OF(X509), FreeCertificates> owned_others(others);
  if (parsed != 1)
    return Error{"can't be opened: " + take_errors() +
                 " (files of old programs use ciphers that OpenSSL 3 no longer has: write it anew with `openssl "
                 "pkcs12 -export`)"};
  if (!key || !certificate) return Error{"holds no private key with its certificate"};
  Pkcs12Parts parts{write_pem(key), write_pem(certificate), ""};
  for (int i = 0; i < sk_X509_num(others); ++i) parts.authorities_pem += write_pem(sk_X509_value(others, i));
  return parts;
}

}  // namespace culvert::crypto
