// Every kind of key and group that a peer may come with, and the chain that goes out with our own certificate.
#include <gtest/gtest.h>

#include "tests/unit/crypto/tls_fixture.h"
#include "tests/unit/support/vectors.h"

namespace culvert::crypto {
namespace {

using culvert::testing::read_vector;

constexpr sys_seconds kWall = std::chrono::sys_days{std::chrono::year{2030} / 1 / 1};  // the vectors are from 2026-11
constexpr std::array kKinds = {"rsa", "rsa-pss", "p256", "p384", "p521", "ed25519", "ed448"};
constexpr std::array kVersions = {TlsVersion::kTls12, TlsVersion::kTls13};

std::string vector_of(const std::string& file) {
  return read_vector("tls/kinds/" + file);
}

TlsSettings with_key(TlsRole role, const std::string& kind) {
  TlsSettings settings;
  settings.role = role;
  settings.ca_pem = vector_of("root.crt");
  settings.certificate_pem = vector_of(kind + ".crt") + vector_of("sub.crt");
  settings.key_pem = vector_of(kind + ".key");
  settings.peer.usage = role == TlsRole::kServer ? PeerUsage::kClient : PeerUsage::kServer;
  return settings;
}

TlsSettings at(TlsVersion version, TlsSettings settings) {
  settings.min_version = version;
  settings.max_version = version;
  return settings;
}

void expect_established(const Pair& pair, const std::string& what) {
  EXPECT_EQ(pair.server->status(), TlsStatus::kEstablished) << what << ": " << pair.server->error();
  EXPECT_EQ(pair.client->status(), TlsStatus::kEstablished) << what << ": " << pair.client->error();
}

TEST(TlsKinds, EveryKindOfKeyWorksAtBothEnds) {
  for (TlsVersion version : kVersions)
    for (const char* kind : kKinds) {
      Pair pair = handshake(at(version, with_key(TlsRole::kServer, kind)),
                            at(version, with_key(TlsRole::kClient, kind)), kWall, kWall);
      expect_established(pair, kind);
      ASSERT_NE(pair.server->peer(), nullptr) << kind;
      EXPECT_EQ(pair.server->peer()->common_name, kind);
      ASSERT_EQ(pair.server->peer()->issuers.size(), 2U) << kind;
      EXPECT_EQ(pair.server->peer()->issuers[1].common_name, "kinds root");
    }
}

TEST(TlsKinds, ASignatureByAnotherKeyOfTheKindIsRefused) {
  // The names fit, the key does not: a certificate of the same CA name, issued by another key.
  const Identity root = must(make_authority("kinds root", {kWall - days{1}, kWall + days{1}}));
  for (const char* kind : kKinds) {
    TlsSettings server = with_key(TlsRole::kServer, "p256");
    server.ca_pem = root.certificate_pem;
    Pair pair = handshake(server, with_key(TlsRole::kClient, kind), kWall, kWall);
    EXPECT_EQ(pair.server->status(), TlsStatus::kFailed) << kind;
    EXPECT_EQ(pair.server->peer(), nullptr) << kind;
  }
}

TEST(TlsKinds, EveryGroupWorks) {
  const auto agree = [](TlsVersion version, const std::string& group) {
    TlsSettings server = at(version, with_key(TlsRole::kServer, "rsa"));
    TlsSettings client = at(version, with_key(TlsRole::kClient, "rsa"));
    server.groups = group;
    client.groups = group;
    expect_established(handshake(server, client, kWall, kWall), group);
  };
  for (TlsVersion version : kVersions)
    for (const char* group : {"X25519", "X448", "P-256", "P-384", "P-521"}) agree(version, group);
  for (const char* group : {"ffdhe2048", "ffdhe3072"}) agree(TlsVersion::kTls13, group);
  for (const char* group : {"brainpoolP256r1", "secp256k1", "sect283k1"}) agree(TlsVersion::kTls12, group);
}

TEST(TlsKinds, FiniteFieldsOnlyWhereTheyAreAskedFor) {
  for (const char* kind : {"rsa", "p256"}) {
    const bool signs = std::string(kind) == "rsa";  // no suite has DHE and ECDSA
    TlsSettings server = at(TlsVersion::kTls12, with_key(TlsRole::kServer, kind));
    TlsSettings client = at(TlsVersion::kTls12, with_key(TlsRole::kClient, kind));
    client.ciphers = "DHE-RSA-AES256-GCM-SHA384";
    EXPECT_EQ(handshake(server, client, kWall, kWall).server->status(), TlsStatus::kFailed) << kind;
    server.finite_fields = true;
    Pair pair = handshake(server, client, kWall, kWall);
    EXPECT_EQ(pair.server->status(), signs ? TlsStatus::kEstablished : TlsStatus::kFailed) << pair.server->error();
    client.ciphers.clear();
    pair = handshake(server, client, kWall, kWall);
    expect_established(pair, kind);
    EXPECT_TRUE(pair.server->cipher().starts_with("ECDHE-")) << "which goes first: " << pair.server->cipher();
  }
}

/// Where a key share of `size` bytes of this group begins in a ClientHello; 0: nowhere.
size_t key_share(const std::vector<uint8_t>& hello, uint8_t group, size_t size) {
  const std::array<uint8_t, 5> begin = {0, group, static_cast<uint8_t>(size >> 8), static_cast<uint8_t>(size), 4};
  auto found = std::search(hello.begin(), hello.end(), begin.begin(), begin.end());
  return found == hello.end() ? 0 : static_cast<size_t>(found - hello.begin()) + 4;
}

TEST(TlsKinds, AKeyShareThatIsNoPointOfTheCurveIsRefused) {
  struct Case {
    const char* name;
    uint8_t group;  // RFC 8446, section 4.2.7
    size_t size;
  };
  for (const Case& curve : {Case{"P-256", 23, 65}, Case{"P-384", 24, 97}, Case{"P-521", 25, 133}}) {
    TlsSettings client = at(TlsVersion::kTls13, with_key(TlsRole::kClient, "p256"));
    client.groups = curve.name;
    auto client_context = must(TlsContext::make(client));
    auto server_context = must(TlsContext::make(with_key(TlsRole::kServer, "p256")));
    const auto answer_to = [&](auto change) {
      auto stream = client_context->open(kWall);
      stream->start();
      std::vector<uint8_t> hello = stream->drain(65536);
      const size_t point = key_share(hello, curve.group, curve.size);
      EXPECT_NE(point, 0U) << curve.name;
      change(std::span(hello).subspan(point, curve.size));
      auto server = server_context->open(kWall);
      return server->feed(hello);
    };
    EXPECT_EQ(answer_to([](std::span<uint8_t>) {}), TlsStatus::kHandshaking) << curve.name;
    EXPECT_EQ(answer_to([](std::span<uint8_t> point) { point.back() ^= 1; }), TlsStatus::kFailed) << curve.name;
    EXPECT_EQ(answer_to([](std::span<uint8_t> point) { point[10] ^= 1; }), TlsStatus::kFailed) << curve.name;
    EXPECT_EQ(answer_to([](std::span<uint8_t> point) { std::ranges::fill(point.subspan(1), 0); }), TlsStatus::kFailed)
        << curve.name;
    // A coordinate that is not below the prime.
    EXPECT_EQ(answer_to([](std::span<uint8_t> point) { std::ranges::fill(point.subspan(1), 0xFF); }),
              TlsStatus::kFailed)
        << curve.name;
    EXPECT_EQ(answer_to([](std::span<uint8_t> point) { point[0] = 5; }), TlsStatus::kFailed) << curve.name;
  }
}

TEST(TlsOwnChain, IsFoundAmongTheCAs) {
  TlsSettings server = with_key(TlsRole::kServer, "p256");
  server.certificate_pem = vector_of("p256.crt");
  const TlsSettings client = with_key(TlsRole::kClient, "p256");
  Pair pair = handshake(server, client, kWall, kWall);
  EXPECT_EQ(pair.client->status(), TlsStatus::kFailed);
  EXPECT_NE(pair.client->error().find("an intermediate is missing"), std::string::npos) << pair.client->error();
  server.ca_pem += vector_of("sub.crt");
  expect_established(handshake(server, client, kWall, kWall), "intermediate among the CAs");
}

TEST(TlsOwnChain, MayBeOfACaThatOnlyTheClientKnows) {
  const World& world = World::instance();
  TlsSettings server = server_settings();
  server.ca_pem = world.other_ca.certificate_pem;
  const Identity bob = World::issue(world.other_ca, "bob", CertificateUse::kClient);
  TlsSettings client = client_settings();
  client.certificate_pem = bob.certificate_pem;
  client.key_pem = bob.key_pem;
  expect_established(handshake(server, client), "two CAs");
}

}  // namespace
}  // namespace culvert::crypto
