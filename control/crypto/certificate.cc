#include "control/crypto/certificate.h"

#include <array>
#include <ctime>

#include "control/crypto/primitives.h"
#include "control/crypto/x509.h"

namespace culvert::crypto {

Identity::~Identity() {
  wipe(key_pem);
}

std::string time_text(std::chrono::sys_seconds time) {
  const time_t seconds = static_cast<time_t>(time.time_since_epoch().count());
  std::tm parts{};
  std::array<char, 40> text{};
  if (gmtime_r(&seconds, &parts) == nullptr) return "(impossible time)";
  const size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &parts);
  return std::string(text.data(), size);
}

Result<CertificateInfo> read_certificate(std::string_view pem) {
  auto certificates = load_certificates(pem);
  if (!certificates) return Error{certificates.error()};
  return describe(certificates->front().get());
}

Status check_key_fits(std::string_view certificate_pem, std::string_view key_pem, std::string_view key_password) {
  auto certificates = load_certificates(certificate_pem);
  if (!certificates) return Error{"cert: " + certificates.error()};
  auto key = load_key(key_pem, key_password);
  if (!key) return Error{"key: " + key.error()};
  const bool fits = X509_check_private_key(certificates->front().get(), key->get()) == 1;
  ERR_clear_error();
  if (fits) return {};
  return Error{"key: the private key does not fit the certificate (" +
               name_text(X509_get_subject_name(certificates->front().get())) + "): use the key that was made with it"};
}

}  // namespace culvert::crypto
