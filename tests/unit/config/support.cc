#include "tests/unit/config/support.h"

#include <array>
#include <stdexcept>

#include "control/crypto/base64.h"
#include "control/crypto/certificate.h"
#include "control/crypto/pem.h"
#include "control/openvpn/key_files.h"
#include "tests/unit/support/pkcs12_files.h"

namespace culvert::config::test {

std::string static_key_text() {
  openvpn::StaticKey key;
  for (size_t i = 0; i < key.size(); ++i) key[i] = static_cast<uint8_t>(i);
  return openvpn::write_static_key(key);
}

std::string server_key_text() {
  openvpn::TlsCryptV2ServerKey key;
  for (size_t i = 0; i < key.size(); ++i) key[i] = static_cast<uint8_t>(i);
  auto text = openvpn::write_tls_crypt_v2_server_key(key);
  return text ? *text : "";
}

std::string token_secret_text() {
  std::array<uint8_t, 128> bytes;
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i);
  auto text = crypto::pem_encode("OpenVPN auth-token server key", bytes);
  return text ? *text : "";
}

MemoryLoader files_below(const std::string& folder) {
  MemoryLoader loader;
  loader.files[folder + "/ca.crt"] = {"-----BEGIN CERTIFICATE-----\nca\n-----END CERTIFICATE-----\n", 0644};
  loader.files[folder + "/server.crt"] = {"-----BEGIN CERTIFICATE-----\nserver\n-----END CERTIFICATE-----\n", 0644};
  loader.files[folder + "/extra.crt"] = {"-----BEGIN CERTIFICATE-----\nextra\n-----END CERTIFICATE-----\n", 0644};
  loader.files[folder + "/server.key"] = {"-----BEGIN PRIVATE KEY-----\nkey\n-----END PRIVATE KEY-----\n", 0600};
  loader.files[folder + "/crl.pem"] = {"-----BEGIN X509 CRL-----\ncrl\n-----END X509 CRL-----\n", 0644};
  loader.files[folder + "/dh.pem"] = {"-----BEGIN DH PARAMETERS-----\ndh\n-----END DH PARAMETERS-----\n", 0644};
  loader.files[folder + "/password"] = {"secret\nsecond line\n", 0600};
  loader.files[folder + "/tc.key"] = {static_key_text(), 0600};
  loader.files[folder + "/v2.key"] = {server_key_text(), 0600};
  loader.files[folder + "/token.key"] = {token_secret_text(), 0600};
  return loader;
}

MemoryLoader real_files_below(const std::string& folder) {
  using namespace std::chrono;
  struct Made {
    std::string ca, certificate, key, crl;
  };
  static const Made made = [] {
    crypto::Validity validity{sys_days(2020y / 1 / 1), sys_days(2090y / 1 / 1)};
    auto authority = crypto::make_authority("Test CA", validity);
    if (!authority) throw std::runtime_error(authority.error());
    crypto::CertificateRequest request;
    request.common_name = "server";
    request.use = crypto::CertificateUse::kServer;
    request.validity = validity;
    auto server = crypto::issue_certificate(*authority, request);
    if (!server) throw std::runtime_error(server.error());
    auto crl = crypto::make_crl(*authority, {}, 1, validity);
    if (!crl) throw std::runtime_error(crl.error());
    return Made{authority->certificate_pem, server->certificate_pem, server->key_pem, *crl};
  }();
  MemoryLoader loader = files_below(folder);
  loader.files[folder + "/ca.crt"].bytes = made.ca;
  loader.files[folder + "/server.crt"].bytes = made.certificate;
  loader.files[folder + "/server.key"].bytes = made.key;
  loader.files[folder + "/crl.pem"].bytes = made.crl;
  return loader;
}

std::string pkcs12_bytes() {
  auto bytes = crypto::base64_decode(testing::kOpenPkcs12);
  return bytes ? std::string(bytes->begin(), bytes->end()) : "";
}

Parsed parse(const std::string& text, FileLoader& loader) {
  Parsed parsed;
  parsed.config = parse_openvpn(text, "etc/server.conf", loader, parsed.report);
  for (const Diagnostic& diagnostic : parsed.report.all()) {
    bool error = diagnostic.severity == Severity::kError;
    (error ? parsed.errors : parsed.warnings) += to_text(diagnostic) + "\n";
  }
  return parsed;
}

Parsed parse(const std::string& text) {
  MemoryLoader loader = files_below("etc");
  return parse(text, loader);
}

}  // namespace culvert::config::test
