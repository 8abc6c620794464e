// A small world for TLS tests: a CA, a server, clients, and a wire between two streams.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "control/crypto/certificate.h"
#include "control/crypto/tls.h"

namespace culvert::crypto {

using std::chrono::days;
using std::chrono::sys_seconds;

inline constexpr sys_seconds kNow = std::chrono::sys_days{std::chrono::year{2026} / 6 / 1};
inline constexpr Validity kYear{kNow - days{1}, kNow + days{365}};

/// The value, or a failed test and a default one.
template <class T>
T must(Result<T> result) {
  EXPECT_TRUE(result) << (result ? "" : result.error());
  return result ? *std::move(result) : T();
}

/// CA, server and one client, made once for the whole program.
struct World {
  Identity ca = must(make_authority("test CA", kYear));
  Identity other_ca = must(make_authority("other CA", kYear));
  Identity namesake = must(make_authority("test CA", kYear));
  Identity server = issue(ca, "gate", CertificateUse::kServer);
  Identity client = issue(ca, "alice", CertificateUse::kClient);

  static Identity issue(const Identity& authority, const std::string& name, CertificateUse use,
                        Validity validity = kYear, KeyKind kind = KeyKind::kEcP256) {
    return must(
        issue_certificate(authority, {.common_name = name, .use = use, .validity = validity, .key_kind = kind}));
  }
  static World& instance() {
    static World world;
    return world;
  }
};

inline TlsSettings settings_of(TlsRole role, const Identity& ca, const Identity& own) {
  TlsSettings settings;
  settings.role = role;
  settings.ca_pem = ca.certificate_pem;
  settings.certificate_pem = own.certificate_pem;
  settings.key_pem = own.key_pem;
  return settings;
}
inline TlsSettings server_settings() {
  const World& world = World::instance();
  TlsSettings settings = settings_of(TlsRole::kServer, world.ca, world.server);
  settings.peer.usage = PeerUsage::kClient;
  return settings;
}
inline TlsSettings client_settings() {
  const World& world = World::instance();
  TlsSettings settings = settings_of(TlsRole::kClient, world.ca, world.client);
  settings.peer.usage = PeerUsage::kServer;
  return settings;
}

struct Pair {
  std::unique_ptr<TlsStream> server;
  std::unique_ptr<TlsStream> client;

  /// Carries bytes both ways, `chunk` at a time, until both are silent.
  void exchange(size_t chunk = 1200) {
    while (client->has_output() || server->has_output()) {
      if (client->has_output()) server->feed(client->drain(chunk));
      if (server->has_output()) client->feed(server->drain(chunk));
    }
  }
};

inline Pair open_pair(const TlsSettings& server, const TlsSettings& client, sys_seconds wall = kNow,
                      sys_seconds client_wall = kNow) {
  auto server_context = must(TlsContext::make(server));
  auto client_context = must(TlsContext::make(client));
  // The contexts may go before their streams.
  return {server_context->open(wall), client_context->open(client_wall)};
}

inline Pair handshake(const TlsSettings& server, const TlsSettings& client, sys_seconds wall = kNow,
                      sys_seconds client_wall = kNow, size_t chunk = 1200) {
  Pair pair = open_pair(server, client, wall, client_wall);
  pair.client->start();
  pair.exchange(chunk);
  return pair;
}

}  // namespace culvert::crypto
