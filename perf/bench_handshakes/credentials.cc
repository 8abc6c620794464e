#include "perf/bench_handshakes/credentials.h"

#include "control/openvpn/key_files.h"

namespace culvert::perf {
namespace {

using namespace std::chrono_literals;

Result<crypto::TlsSettings> tls_settings(const Variant& variant, crypto::TlsRole role,
                                         const crypto::Identity& authority, const crypto::Validity& validity) {
  const bool is_server = role == crypto::TlsRole::kServer;
  crypto::CertificateRequest request;
  request.common_name = is_server ? "server" : "client";
  request.use = is_server ? crypto::CertificateUse::kServer : crypto::CertificateUse::kClient;
  request.validity = validity;
  request.key_kind = variant.key_kind;
  auto identity = crypto::issue_certificate(authority, request);
  if (!identity) return Error{identity.error()};
  crypto::TlsSettings settings;
  settings.role = role;
  settings.ca_pem = authority.certificate_pem;
  settings.certificate_pem = identity->certificate_pem;
  settings.key_pem = identity->key_pem;
  settings.min_version = variant.version;
  settings.max_version = variant.version;
  settings.groups = "P-256";
  settings.peer.usage = is_server ? crypto::PeerUsage::kClient : crypto::PeerUsage::kServer;
  return settings;
}

openvpn::ServerSettings server_side(std::shared_ptr<const crypto::TlsContext> tls, Random& random) {
  openvpn::ServerSettings settings{};
  settings.name = "bench.conf";
  settings.tls = std::move(tls);
  settings.max_clients = 1u << 20;
  settings.initial_per_network = 1u << 30;
  settings.initial_in_all = 1u << 30;
  settings.duplicate_cn = true;
  random.fill(settings.cookie_secret);
  settings.wrap.kind = openvpn::WrapKind::kTlsCryptV2;
  settings.wrap.server_key = openvpn::make_tls_crypt_v2_server_key(random);
  return settings;
}

openvpn::ClientSettings client_side(std::shared_ptr<const crypto::TlsContext> tls, openvpn::ClientKeyFile key) {
  openvpn::ClientSettings settings{};
  settings.name = "client";
  settings.tls = std::move(tls);
  settings.wrap.kind = openvpn::WrapKind::kTlsCryptV2;
  settings.wrap.key = key.key;
  settings.wrap.wrapped_client_key = std::move(key.wrapped);
  return settings;
}

}  // namespace

Status Credentials::forget_clients() {
  auto context = crypto::TlsContext::make(server_tls);
  if (!context) return Error{context.error()};
  server.tls = *std::move(context);
  return {};
}

Result<Credentials> make_credentials(const Variant& variant, uint32_t clients, Random& random) {
  const auto wall = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const crypto::Validity validity{wall - 24h, wall + 24h};
  auto authority = crypto::make_authority("bench CA", validity, variant.key_kind);
  if (!authority) return Error{authority.error()};
  auto server_tls = tls_settings(variant, crypto::TlsRole::kServer, *authority, validity);
  if (!server_tls) return Error{server_tls.error()};
  if (variant.revocation_list) {
    auto list = crypto::make_crl(*authority, {}, 1, validity);
    if (!list) return Error{list.error()};
    server_tls->crl_pem = *list;
  }
  Credentials made{wall, server_side(nullptr, random), *std::move(server_tls), {}};
  if (Status done = made.forget_clients(); !done) return Error{done.error()};
  while (made.clients.size() < clients) {
    auto settings = tls_settings(variant, crypto::TlsRole::kClient, *authority, validity);
    if (!settings) return Error{settings.error()};
    auto context = crypto::TlsContext::make(*settings);
    if (!context) return Error{context.error()};
    auto key = openvpn::make_tls_crypt_v2_client_key(made.server.wrap.server_key, random, wall);
    if (!key) return Error{key.error()};
    made.clients.push_back(client_side(*std::move(context), *std::move(key)));
  }
  return made;
}

}  // namespace culvert::perf
