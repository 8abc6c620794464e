#include "control/crypto/openssl.h"

#include <openssl/provider.h>

#include <climits>

namespace culvert::crypto {
namespace {

int note_foreign(OSSL_PROVIDER* provider, void* foreign) {
  if (std::string_view(OSSL_PROVIDER_get0_name(provider)) != "default") *static_cast<bool*>(foreign) = true;
  return 1;
}

}  // namespace

bool only_default_provider() {
  bool foreign = false;
  return OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, nullptr) == 1 &&
         OSSL_PROVIDER_do_all(nullptr, note_foreign, &foreign) == 1 && !foreign &&
         EVP_default_properties_is_fips_enabled(nullptr) == 0;
}

const EVP_MD* fetched_sha256() {
  static const OwnedMd digest(EVP_MD_fetch(nullptr, "SHA2-256", nullptr));
  return digest ? digest.get() : EVP_sha256();
}

const EVP_MD* fetched_sha1() {
  static const OwnedMd digest(EVP_MD_fetch(nullptr, "SHA1", nullptr));
  return digest ? digest.get() : EVP_sha1();
}

std::string take_errors() {
  std::string text;
  const char* data = nullptr;
  int flags = 0;
  while (unsigned long code = ERR_get_error_all(nullptr, nullptr, nullptr, &data, &flags)) {
    const char* reason = ERR_reason_error_string(code);
    if (!text.empty()) text += "; ";
    text += reason != nullptr ? reason : "error " + std::to_string(code);
    if (data != nullptr && (flags & ERR_TXT_STRING) != 0 && *data != '\0') text += std::string(" (") + data + ")";
  }
  return text.empty() ? "unknown error" : text;
}

OwnedBio bio_of(std::string_view text) {
  if (text.size() > INT_MAX) return nullptr;
  return OwnedBio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<size_t>(size)) : std::string();
}

}  // namespace culvert::crypto
