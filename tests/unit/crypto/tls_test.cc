// Handshakes over memory: who gets in, who does not, and what the operator is told.
#include "control/crypto/tls.h"

#include <gtest/gtest.h>

#include "tests/unit/crypto/tls_fixture.h"
#include "tests/unit/support/seeded_random.h"
#include "tests/unit/support/vectors.h"

namespace culvert::crypto {
namespace {

using culvert::testing::read_vector;

std::vector<uint8_t> bytes(std::string_view text) {
  return {text.begin(), text.end()};
}

class TlsVersions : public ::testing::TestWithParam<TlsVersion> {
 protected:
  TlsSettings server() const { return at(server_settings()); }
  TlsSettings client() const { return at(client_settings()); }
  static TlsSettings at(TlsSettings settings) {
    settings.min_version = GetParam();
    settings.max_version = GetParam();
    return settings;
  }
  /// The server must refuse, with `expected` in its text; the client must end up failed as well (by the alert).
  static std::string refused(const TlsSettings& server, const TlsSettings& client, const std::string& expected,
                             sys_seconds wall = kNow) {
    Pair pair = handshake(server, client, wall);
    EXPECT_EQ(pair.server->status(), TlsStatus::kFailed);
    EXPECT_EQ(pair.client->status(), TlsStatus::kFailed);
    EXPECT_NE(pair.server->error().find(expected), std::string::npos) << pair.server->error();
    EXPECT_EQ(pair.server->peer(), nullptr);
    EXPECT_FALSE(pair.server->write(bytes("x")));
    EXPECT_NE(pair.client->error().find("alert"), std::string::npos) << pair.client->error();
    return pair.server->error();
  }
};

INSTANTIATE_TEST_SUITE_P(Versions, TlsVersions, ::testing::Values(TlsVersion::kTls12, TlsVersion::kTls13),
                         [](const auto& version) { return version.param == TlsVersion::kTls12 ? "Tls12" : "Tls13"; });

TEST_P(TlsVersions, ConnectAndTalk) {
  for (size_t chunk : {1UL, 100UL, 1200UL, 65536UL}) {
    Pair pair = handshake(server(), client(), kNow, kNow, chunk);
    ASSERT_EQ(pair.server->status(), TlsStatus::kEstablished) << pair.server->error();
    ASSERT_EQ(pair.client->status(), TlsStatus::kEstablished) << pair.client->error();
    EXPECT_EQ(pair.server->version(), GetParam() == TlsVersion::kTls12 ? "TLSv1.2" : "TLSv1.3");
    EXPECT_FALSE(pair.server->cipher().empty());
    ASSERT_NE(pair.server->peer(), nullptr);
    const auto info = must(read_certificate(World::instance().client.certificate_pem));
    EXPECT_EQ(pair.server->peer()->common_name, "alice");
    EXPECT_EQ(pair.server->peer()->subject, std::vector<std::string>{"CN=alice"});
    EXPECT_EQ(pair.server->peer()->serial, info.serial);
    EXPECT_EQ(pair.server->peer()->sha256, info.sha256);
    ASSERT_NE(pair.client->peer(), nullptr);
    EXPECT_EQ(pair.client->peer()->common_name, "gate");

    ASSERT_TRUE(pair.client->write(bytes("hello")));
    ASSERT_TRUE(pair.client->write(bytes("second record")));
    ASSERT_TRUE(pair.server->write(std::vector<uint8_t>(16384, 7)));
    pair.exchange(chunk);
    EXPECT_EQ(pair.server->read(), bytes("hello"));
    EXPECT_EQ(pair.server->read(), bytes("second record"));
    EXPECT_TRUE(pair.server->read().empty());
    EXPECT_EQ(pair.client->read(), std::vector<uint8_t>(16384, 7));
    EXPECT_FALSE(pair.client->write({}));
    EXPECT_FALSE(pair.client->write(std::vector<uint8_t>(16385)));  // would be two records
  }
}

TEST_P(TlsVersions, OneWriteIsOneRecord) {
  Pair pair = handshake(server(), client());
  ASSERT_TRUE(pair.client->write(bytes("PUSH_REQUEST")));
  const auto record = pair.client->drain(65536);
  ASSERT_GT(record.size(), 5U);
  EXPECT_EQ(record[0], 23);  // application data
  EXPECT_EQ(static_cast<size_t>(record[3]) << 8 | record[4], record.size() - 5);
}

TEST_P(TlsVersions, ExportTheSameOnBothSides) {
  Pair pair = open_pair(server(), client());
  std::array<uint8_t, 256> at_server{};
  std::array<uint8_t, 256> at_client{};
  EXPECT_FALSE(pair.client->export_keying_material("EXPORTER-test", at_client));  // no handshake yet
  pair.client->start();
  pair.exchange();
  ASSERT_TRUE(pair.server->export_keying_material("EXPORTER-test", at_server));
  ASSERT_TRUE(pair.client->export_keying_material("EXPORTER-test", at_client));
  EXPECT_EQ(at_server, at_client);
  ASSERT_TRUE(pair.client->export_keying_material("EXPORTER-other", at_client));
  EXPECT_NE(at_server, at_client);
}

TEST_P(TlsVersions, ExpiredAuthorityIsRefusedWithItsDate) {
  refused(server(), client(), "CA certificate \"CN=test CA\" expired on 2027-06-01 00:00:00 UTC", kNow + days{366});
}

TEST_P(TlsVersions, ExpiredCertificateIsRefusedWithItsDate) {
  const World& world = World::instance();
  const Identity old = World::issue(world.ca, "old", CertificateUse::kClient, {kNow - days{9}, kNow - days{2}});
  refused(server(), at(settings_of(TlsRole::kClient, world.ca, old)),
          "client certificate \"CN=old\" expired on 2026-05-30 00:00:00 UTC");
}

TEST_P(TlsVersions, FutureCertificateIsRefusedWithItsDate) {
  const World& world = World::instance();
  const Identity early = World::issue(world.ca, "early", CertificateUse::kClient, {kNow + days{2}, kNow + days{9}});
  refused(server(), at(settings_of(TlsRole::kClient, world.ca, early)), "is valid only from 2026-06-03");
}

TEST_P(TlsVersions, TheWallClockGivenDecides) {
  const World& world = World::instance();
  const Identity early = World::issue(world.ca, "early", CertificateUse::kClient, {kNow + days{2}, kNow + days{9}});
  Pair pair = handshake(server(), at(settings_of(TlsRole::kClient, world.ca, early)), kNow + days{3});
  EXPECT_EQ(pair.server->status(), TlsStatus::kEstablished) << pair.server->error();
}

TEST_P(TlsVersions, ForeignAuthorityIsRefusedWithItsName) {
  const World& world = World::instance();
  const Identity stranger = World::issue(world.other_ca, "mallory", CertificateUse::kClient);
  const std::string text = refused(server(), at(settings_of(TlsRole::kClient, world.ca, stranger)),
                                   "\"CN=mallory\" was issued by \"CN=other CA\"");
  EXPECT_NE(text.find("not among our CAs"), std::string::npos);
}

TEST_P(TlsVersions, AuthorityOfTheSameNameIsRefused) {
  const World& world = World::instance();
  const Identity stranger = World::issue(world.namesake, "mallory", CertificateUse::kClient);
  refused(server(), at(settings_of(TlsRole::kClient, world.ca, stranger)), "\"CN=test CA\"");
}

TEST_P(TlsVersions, SelfSignedIsRefused) {
  const Identity self = must(make_authority("self", kYear));
  refused(server(), at(settings_of(TlsRole::kClient, World::instance().ca, self)), "self-signed");
}

TEST_P(TlsVersions, ServerCertificateAsClientIsRefused) {
  const World& world = World::instance();
  const Identity wrong = World::issue(world.ca, "wrong", CertificateUse::kServer);
  for (PeerUsage usage : {PeerUsage::kClient, PeerUsage::kAny}) {
    TlsSettings settings = server();
    settings.peer.usage = usage;
    refused(settings, at(settings_of(TlsRole::kClient, world.ca, wrong)), "is not made for a client");
  }
}

TEST_P(TlsVersions, CertificateWithoutUsageIsRefusedOnlyWhenUsageIsAskedFor) {
  const World& world = World::instance();
  const Identity plain = World::issue(world.ca, "plain", CertificateUse::kNoUsage);
  const TlsSettings plain_client = at(settings_of(TlsRole::kClient, world.ca, plain));
  refused(server(), plain_client, "is not made for a client");
  TlsSettings lenient = server();
  lenient.peer.usage = PeerUsage::kAny;
  EXPECT_EQ(handshake(lenient, plain_client).server->status(), TlsStatus::kEstablished);
}

TEST_P(TlsVersions, ClientRefusesAClientCertificateAsServer) {
  const World& world = World::instance();
  const Identity wrong = World::issue(world.ca, "wrong", CertificateUse::kClient);
  Pair pair = handshake(at(settings_of(TlsRole::kServer, world.ca, wrong)), client());
  EXPECT_EQ(pair.client->status(), TlsStatus::kFailed);
  EXPECT_NE(pair.client->error().find("is not made for a server"), std::string::npos) << pair.client->error();
  EXPECT_EQ(pair.server->status(), TlsStatus::kFailed);
  EXPECT_NE(pair.server->error().find("it refuses our certificate"), std::string::npos) << pair.server->error();
}

TEST_P(TlsVersions, NoCertificateIsRefused) {
  TlsSettings bare = client();
  bare.certificate_pem.clear();
  bare.key_pem.clear();
  refused(server(), bare, "sent no certificate");
  TlsSettings lenient = server();
  lenient.require_peer_certificate = false;
  Pair pair = handshake(lenient, bare);
  EXPECT_EQ(pair.server->status(), TlsStatus::kEstablished) << pair.server->error();
  EXPECT_EQ(pair.server->peer(), nullptr);
  // A certificate that is offered must be good all the same.
  const World& world = World::instance();
  const Identity stranger = World::issue(world.other_ca, "mallory", CertificateUse::kClient);
  refused(lenient, at(settings_of(TlsRole::kClient, world.ca, stranger)), "not among our CAs");
}

TEST_P(TlsVersions, RevokedCertificateIsRefusedAndNobodyElse) {
  const World& world = World::instance();
  const Identity bob = World::issue(world.ca, "bob", CertificateUse::kClient);
  const std::string serial = must(read_certificate(bob.certificate_pem)).serial;
  TlsSettings settings = server();
  const std::vector<Revocation> revoked = {{serial, kNow - days{1}}};
  settings.crl_pem = must(make_crl(world.ca, revoked, 1, {kNow - days{1}, kNow + days{30}}));
  const std::string text =
      refused(settings, at(settings_of(TlsRole::kClient, world.ca, bob)), "(serial " + serial + ") is revoked");
  EXPECT_NE(text.find("since 2026-05-31"), std::string::npos) << text;
  EXPECT_EQ(handshake(settings, client()).server->status(), TlsStatus::kEstablished);
}

TEST_P(TlsVersions, ExpiredListRefusesEverybodyAndSaysSo) {
  TlsSettings settings = server();
  settings.crl_pem = must(make_crl(World::instance().ca, {}, 1, {kNow - days{9}, kNow - days{2}}));
  refused(settings, client(), "the revocation list of \"CN=test CA\" expired on 2026-05-30");
  settings.crl_pem = must(make_crl(World::instance().ca, {}, 1, {kNow + days{2}, kNow + days{9}}));
  refused(settings, client(), "is valid only from 2026-06-03");
}

TEST_P(TlsVersions, AuthorityWithoutListRevokesNobody) {
  const World& world = World::instance();
  TlsSettings settings = server();
  settings.ca_pem += world.other_ca.certificate_pem;
  settings.crl_pem = must(make_crl(world.other_ca, {}, 1, {kNow - days{9}, kNow + days{2}}));
  EXPECT_EQ(handshake(settings, client()).server->status(), TlsStatus::kEstablished);
}

TEST_P(TlsVersions, OddCommonNames) {
  const World& world = World::instance();
  TlsSettings settings = server();
  settings.ca_pem = read_vector("tls/ca.crt");
  settings.peer.usage = PeerUsage::kAny;
  auto client_with = [&world](const std::string& name) {
    TlsSettings made = at(settings_of(TlsRole::kClient, world.ca, {}));
    made.certificate_pem = read_vector("tls/" + name + ".crt");
    made.key_pem = read_vector("tls/" + name + ".key");
    return made;
  };
  const sys_seconds later = kNow + days{365};  // the vectors are from 2026-11
  TlsSettings now_valid = settings;
  now_valid.certificate_pem = world.server.certificate_pem;
  Pair two = handshake(now_valid, client_with("two-cn"), later - days{2}, kNow);
  ASSERT_EQ(two.server->status(), TlsStatus::kEstablished) << two.server->error();
  EXPECT_EQ(two.server->peer()->common_name, "last");
  EXPECT_EQ(two.server->peer()->subject, (std::vector<std::string>{"CN=first", "CN=last"}));
  refused(now_valid, client_with("no-cn"), "has no usable common name", later - days{2});
}

TEST_P(TlsVersions, PeerThatStopsIsNotAnError) {
  Pair pair = open_pair(server(), client());
  pair.client->start();
  pair.server->feed(pair.client->drain(20));
  EXPECT_EQ(pair.server->status(), TlsStatus::kHandshaking);
  pair.server->feed({});
  EXPECT_EQ(pair.server->status(), TlsStatus::kHandshaking);
}

TEST_P(TlsVersions, EveryKindOfKeyWorks) {
  const World& world = World::instance();
  const Identity ed_ca = must(make_authority("ed CA", kYear, KeyKind::kEd25519));
  const Identity gate = World::issue(ed_ca, "gate", CertificateUse::kServer, kYear, KeyKind::kEd25519);
  const Identity carol = World::issue(ed_ca, "carol", CertificateUse::kClient, kYear, KeyKind::kEd25519);
  Pair pair =
      handshake(at(settings_of(TlsRole::kServer, ed_ca, gate)), at(settings_of(TlsRole::kClient, ed_ca, carol)));
  EXPECT_EQ(pair.server->status(), TlsStatus::kEstablished) << pair.server->error();
  static_cast<void>(world);
}

TEST(Tls, NoVersionInCommonIsSaidOnBothSides) {
  TlsSettings server = server_settings();
  server.min_version = TlsVersion::kTls13;
  TlsSettings client = client_settings();
  client.max_version = TlsVersion::kTls12;
  Pair pair = handshake(server, client);
  EXPECT_NE(pair.server->error().find("no TLS version in common"), std::string::npos) << pair.server->error();
  EXPECT_NE(pair.client->error().find("no TLS version in common"), std::string::npos) << pair.client->error();
  std::swap(server.min_version, client.min_version);
  server.max_version = TlsVersion::kTls12;
  client.max_version.reset();
  pair = handshake(server, client);
  EXPECT_EQ(pair.server->status(), TlsStatus::kFailed);
  EXPECT_NE(pair.server->error().find("no TLS version in common"), std::string::npos) << pair.server->error();
}

TEST(Tls, NoCipherInCommonIsSaid) {
  TlsSettings server = server_settings();
  TlsSettings client = client_settings();
  server.max_version = TlsVersion::kTls12;
  server.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";
  client.ciphers = "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256";  // the IANA way
  Pair pair = handshake(server, client);
  EXPECT_NE(pair.server->error().find("no cipher in common"), std::string::npos) << pair.server->error();
  EXPECT_NE(pair.client->error().find("no cipher in common"), std::string::npos) << pair.client->error();
  server.ciphers = "TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384:TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256";
  pair = handshake(server, client);
  EXPECT_EQ(pair.server->cipher(), "ECDHE-ECDSA-AES128-GCM-SHA256") << pair.server->error();
}

TEST(Tls, PrefersTheNewerVersion) {
  EXPECT_EQ(handshake(server_settings(), client_settings()).server->version(), "TLSv1.3");
}

TEST(Tls, GarbageFailsAndNothingElseHappens) {
  culvert::testing::SeededRandom random(1);
  auto context = must(TlsContext::make(server_settings()));
  for (int i = 0; i < 300; ++i) {
    auto stream = context->open(kNow);
    stream->feed(random.bytes(1 + random.below(2000)));
    EXPECT_NE(stream->status(), TlsStatus::kEstablished);
    EXPECT_EQ(stream->status() == TlsStatus::kFailed, !stream->error().empty());
    stream->feed(random.bytes(50));  // after failure: no-op
    stream->write(random.bytes(5));
  }
}

TEST(Tls, HttpIsRecognised) {
  auto stream = must(TlsContext::make(server_settings()))->open(kNow);
  stream->feed(bytes("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_EQ(stream->status(), TlsStatus::kFailed);
  EXPECT_NE(stream->error().find("does not speak TLS"), std::string::npos) << stream->error();
}

TEST(Tls, FlippedBytesNeverEstablish) {
  culvert::testing::SeededRandom random(2);
  auto server_context = must(TlsContext::make(server_settings()));
  auto client_context = must(TlsContext::make(client_settings()));
  for (int i = 0; i < 100; ++i) {
    Pair pair{server_context->open(kNow), client_context->open(kNow)};
    pair.client->start();
    auto hello = pair.client->drain(65536);
    pair.server->feed(hello);
    pair.client->feed(pair.server->drain(65536));
    auto answer = pair.client->drain(65536);
    ASSERT_FALSE(answer.empty());
    answer[random.below(answer.size())] ^= static_cast<uint8_t>(1 + random.below(255));
    pair.server->feed(answer);
    // A flipped middlebox-compatibility byte may be tolerated; identity may not change.
    const PeerCertificate* peer = pair.server->peer();
    EXPECT_EQ(pair.server->status() == TlsStatus::kEstablished, peer != nullptr);
    EXPECT_EQ(peer != nullptr ? peer->common_name : "alice", "alice");
  }
}

TEST(Tls, FlippedApplicationDataFails) {
  Pair pair = handshake(server_settings(), client_settings());
  ASSERT_TRUE(pair.client->write(bytes("hello")));
  auto record = pair.client->drain(65536);
  record.back() ^= 1;
  EXPECT_EQ(pair.server->feed(record), TlsStatus::kFailed);
  EXPECT_TRUE(pair.server->read().empty());
}

}  // namespace
}  // namespace culvert::crypto
