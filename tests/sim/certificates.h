// A throw-away CA with Ed25519 keys: signatures of one size, so that packet counts repeat from run to run.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "control/crypto/certificate.h"
#include "control/crypto/tls.h"

namespace culvert::sim {

inline constexpr std::chrono::sys_seconds kEpoch{std::chrono::seconds(1'800'000'000)};

class Authority {
 public:
  /// Certificates are valid from a day before `base`.
  explicit Authority(std::chrono::sys_seconds base = kEpoch);
  /// A context for the server named "server".
  std::shared_ptr<const crypto::TlsContext> server(crypto::TlsVersion max = crypto::TlsVersion::kTls13,
                                                   bool client_certificate = true) const;
  std::shared_ptr<const crypto::TlsContext> client(const std::string& name,
                                                   crypto::TlsVersion max = crypto::TlsVersion::kTls13) const;
  crypto::Identity issue(const std::string& name, crypto::CertificateUse use,
                         std::chrono::seconds lifetime = std::chrono::hours(24 * 365)) const;
  std::shared_ptr<const crypto::TlsContext> context(crypto::TlsRole role, const crypto::Identity& identity,
                                                    crypto::TlsVersion max = crypto::TlsVersion::kTls13,
                                                    bool client_certificate = true) const;
  const std::string& certificate() const { return authority_.certificate_pem; }

 private:
  crypto::Validity valid_for(std::chrono::seconds lifetime) const;

  std::chrono::sys_seconds base_;
  crypto::Identity authority_;
};

/// One CA for the whole test program: making keys is the slow part.
const Authority& authority();

}  // namespace culvert::sim
