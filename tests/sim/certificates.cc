#include "tests/sim/certificates.h"

#include <cstdio>
#include <cstdlib>

namespace culvert::sim {
namespace {

template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "sim: %s\n", result.error().c_str());
    std::abort();
  }
  return std::move(*result);
}

}  // namespace

Authority::Authority(std::chrono::sys_seconds base)
    : base_(base),
      authority_(
          must(crypto::make_authority("sim CA", valid_for(std::chrono::hours(24 * 3650)), crypto::KeyKind::kEd25519))) {
}

crypto::Validity Authority::valid_for(std::chrono::seconds lifetime) const {
  return {base_ - std::chrono::hours(24), base_ + lifetime};
}

crypto::Identity Authority::issue(const std::string& name, crypto::CertificateUse use,
                                  std::chrono::seconds lifetime) const {
  crypto::CertificateRequest request;
  request.common_name = name;
  request.use = use;
  request.validity = valid_for(lifetime);
  request.key_kind = crypto::KeyKind::kEd25519;
  return must(crypto::issue_certificate(authority_, request));
}

std::shared_ptr<const crypto::TlsContext> Authority::context(crypto::TlsRole role, const crypto::Identity& identity,
                                                             crypto::TlsVersion max, bool client_certificate) const {
  crypto::TlsSettings settings;
  settings.require_peer_certificate = client_certificate;
  settings.role = role;
  settings.ca_pem = authority_.certificate_pem;
  settings.certificate_pem = identity.certificate_pem;
  settings.key_pem = identity.key_pem;
  settings.max_version = max;
  settings.peer.usage = role == crypto::TlsRole::kServer ? crypto::PeerUsage::kClient : crypto::PeerUsage::kServer;
  return must(crypto::TlsContext::make(settings));
}

std::shared_ptr<const crypto::TlsContext> Authority::server(crypto::TlsVersion max, bool client_certificate) const {
  return context(crypto::TlsRole::kServer, issue("server", crypto::CertificateUse::kServer), max, client_certificate);
}

std::shared_ptr<const crypto::TlsContext> Authority::client(const std::string& name, crypto::TlsVersion max) const {
  return context(crypto::TlsRole::kClient, issue(name, crypto::CertificateUse::kClient), max);
}

const Authority& authority() {
  static const Authority instance;
  return instance;
}

}  // namespace culvert::sim
