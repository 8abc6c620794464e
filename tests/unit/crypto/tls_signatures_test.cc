// What is remembered of good signatures must let nobody in who would not be let in without it.
#include "control/crypto/tls_signatures.h"

#include <gtest/gtest.h>

#include "control/crypto/x509.h"
#include "tests/unit/crypto/tls_fixture.h"
#include "tests/unit/support/vectors.h"

namespace culvert::crypto {
namespace {

using culvert::testing::read_vector;
using Context = std::shared_ptr<const TlsContext>;

const World& world() {
  return World::instance();
}

TlsSettings client_of(const Identity& identity) {
  return settings_of(TlsRole::kClient, world().ca, identity);
}

/// One server, to which clients come one after the other.
struct Server {
  Context context;
  std::string error = {};  ///< of the client that came last

  explicit Server(const TlsSettings& settings = server_settings()) : context(must(TlsContext::make(settings))) {}

  TlsStatus meet(const TlsSettings& client, sys_seconds wall = kNow) {
    auto client_context = must(TlsContext::make(client));
    Pair pair{context->open(wall), client_context->open(kNow)};
    pair.client->start();
    pair.exchange();
    error = pair.server->error();
    if (pair.server->status() == TlsStatus::kEstablished) {
      EXPECT_TRUE(pair.server->peer() != nullptr && !pair.server->peer()->issuers.empty());
    } else {
      EXPECT_EQ(pair.server->peer(), nullptr);
    }
    return pair.server->status();
  }
  /// The same client again and again, so that it is known after the first time.
  void expect_welcome(const TlsSettings& client) {
    for (int visit = 0; visit < 3; ++visit) EXPECT_EQ(meet(client), TlsStatus::kEstablished) << visit << ": " << error;
  }
  void expect_refused(const TlsSettings& client, const std::string& why, sys_seconds wall = kNow) {
    for (int visit = 0; visit < 2; ++visit) {
      EXPECT_EQ(meet(client, wall), TlsStatus::kFailed) << visit;
      EXPECT_NE(error.find(why), std::string::npos) << visit << ": " << error;
    }
  }
};

/// The certificate with one bit of its DER turned over: `at` from the front, or from the end when negative.
Identity damaged(Identity identity, std::ptrdiff_t at) {
  auto certificates = must(load_certificates(identity.certificate_pem));
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificates.front().get(), &der);
  der[at < 0 ? size + at : at] ^= 1;
  const unsigned char* begin = der;
  OwnedX509 changed(d2i_X509(nullptr, &begin, size));
  EXPECT_TRUE(changed);
  if (changed) identity.certificate_pem = write_pem(changed.get());
  OPENSSL_free(der);
  return identity;
}

/// Where the serial number has its last byte: behind the headers, the version and the serial's own header.
constexpr std::ptrdiff_t kInsideSerial = 20;

TEST(TlsSignatures, AReturningClientIsWelcome) {
  Server server;
  server.expect_welcome(client_of(world().client));
  server.expect_welcome(client_of(World::issue(world().ca, "bob", CertificateUse::kClient)));
  server.expect_welcome(client_of(world().client));
}

TEST(TlsSignatures, ALookAlikeOfAKnownCertificateIsRefused) {
  Server server;
  server.expect_welcome(client_of(world().client));
  // Its signature changed: byte by byte from the end, where r and s are, but not their lengths.
  for (std::ptrdiff_t at : {-1, -20, -30, -40, -60})
    server.expect_refused(client_of(damaged(world().client, at)), "did not sign it");
  server.expect_refused(client_of(damaged(world().client, kInsideSerial)), "did not sign it");
  // The same names, signed by another key.
  for (const Identity* other : {&world().namesake, &world().other_ca})
    server.expect_refused(client_of(World::issue(*other, "alice", CertificateUse::kClient)), "not among our CAs");
  server.expect_welcome(client_of(world().client));
}

TEST(TlsSignatures, DatesAreJudgedEachTime) {
  const Validity month{kNow - days{1}, kNow + days{30}};
  const TlsSettings bob = client_of(World::issue(world().ca, "bob", CertificateUse::kClient, month));
  Server server;
  server.expect_welcome(bob);
  server.expect_refused(bob, "client certificate \"CN=bob\" expired on", kNow + days{31});
  server.expect_refused(bob, "is valid only from", kNow - days{2});
  server.expect_welcome(bob);
}

TEST(TlsSignatures, TheCasDatesAreJudgedEachTime) {
  const Identity ca = must(make_authority("short CA", {kNow - days{1}, kNow + days{10}}));
  const Identity gate = World::issue(ca, "gate", CertificateUse::kServer);
  const Identity carol = World::issue(ca, "carol", CertificateUse::kClient);
  Server server(settings_of(TlsRole::kServer, ca, gate));
  const TlsSettings client = settings_of(TlsRole::kClient, ca, carol);
  server.expect_welcome(client);
  server.expect_refused(client, "CA certificate \"CN=short CA\" expired on", kNow + days{11});
}

TEST(TlsSignatures, PurposeIsJudgedEachTime) {
  Server server;
  server.expect_refused(client_of(World::issue(world().ca, "not for clients", CertificateUse::kServer)),
                        "not made for");
}

TEST(TlsSignatures, AListThatCameLaterRefusesAKnownClient) {
  TlsSettings settings = server_settings();
  Server before(settings);
  before.expect_welcome(client_of(world().client));
  const std::string serial = must(read_certificate(world().client.certificate_pem)).serial;
  const std::vector<Revocation> revoked = {{serial, kNow - days{1}}};
  settings.crl_pem = must(make_crl(world().ca, revoked, 1, {kNow - days{1}, kNow + days{30}}));
  Server after(settings);
  after.expect_refused(client_of(world().client), "(serial " + serial + ") is revoked");
  after.expect_welcome(client_of(World::issue(world().ca, "bob", CertificateUse::kClient)));
  after.expect_refused(client_of(world().client), "(serial " + serial + ") is revoked");
}

TEST(TlsSignatures, TheDatesOfAListAreJudgedEachTime) {
  TlsSettings settings = server_settings();
  settings.crl_pem = must(make_crl(world().ca, {}, 1, {kNow - days{1}, kNow + days{30}}));
  Server server(settings);
  server.expect_welcome(client_of(world().client));
  server.expect_refused(client_of(world().client), "the revocation list of \"CN=test CA\" expired on", kNow + days{31});
  settings.crl_pem = must(make_crl(world().ca, {}, 1, {kNow + days{2}, kNow + days{30}}));
  Server early(settings);
  early.expect_refused(client_of(world().client), "is valid only from");
}

TEST(TlsSignatures, AnotherIssuerAfterAReloadKnowsNobody) {
  Server before;
  before.expect_welcome(client_of(world().client));
  TlsSettings settings =
      settings_of(TlsRole::kServer, world().namesake, World::issue(world().namesake, "gate", CertificateUse::kServer));
  Server after(settings);
  TlsSettings client = client_of(world().client);
  client.ca_pem = world().namesake.certificate_pem;
  after.expect_refused(client, "not among our CAs");
}

TEST(TlsSignatures, ChainsWithIntermediatesAreKnownAsAWhole) {
  const auto vector_of = [](const std::string& file) { return read_vector("tls/kinds/" + file); };
  const sys_seconds wall = std::chrono::sys_days{std::chrono::year{2030} / 1 / 1};
  TlsSettings settings;
  settings.role = TlsRole::kServer;
  settings.ca_pem = vector_of("root.crt");
  settings.certificate_pem = vector_of("p256.crt") + vector_of("sub.crt");
  settings.key_pem = vector_of("p256.key");
  TlsSettings client = settings;
  client.role = TlsRole::kClient;
  Server server(settings);
  const auto meet = [&] {
    auto context = must(TlsContext::make(client));
    Pair pair{server.context->open(wall), context->open(wall)};
    pair.client->start();
    pair.exchange();
    return pair.server->peer() != nullptr ? pair.server->peer()->issuers.size() : 0;
  };
  for (int visit = 0; visit < 3; ++visit) EXPECT_EQ(meet(), 2U);
  Identity forged;
  forged.certificate_pem = vector_of("sub.crt");
  client.certificate_pem = vector_of("p256.crt") + damaged(forged, -1).certificate_pem;
  EXPECT_EQ(meet(), 0U);
}

TEST(TlsSignatures, StreamsOutliveTheirContext) {
  auto client_context = must(TlsContext::make(client_settings()));
  for (int visit = 0; visit < 2; ++visit) {
    auto server_context = must(TlsContext::make(server_settings()));
    Pair pair{server_context->open(kNow), client_context->open(kNow)};
    server_context.reset();
    pair.client->start();
    pair.exchange();
    EXPECT_EQ(pair.server->status(), TlsStatus::kEstablished) << pair.server->error();
  }
}

KnownSignatures::Mark mark_of(uint8_t first, uint8_t last) {
  KnownSignatures::Mark mark{};
  mark.front() = first;
  mark.back() = last;
  return mark;
}

TEST(KnownSignatures, RemembersTheNewestOfAPlace) {
  KnownSignatures known;
  EXPECT_FALSE(known.has(mark_of(1, 1)));
  EXPECT_FALSE(known.has({}));
  known.add(mark_of(1, 1));
  EXPECT_TRUE(known.has(mark_of(1, 1)));
  EXPECT_FALSE(known.has(mark_of(1, 2)));
  known.add(mark_of(2, 1));
  EXPECT_TRUE(known.has(mark_of(1, 1)));
  known.add(mark_of(1, 2));
  EXPECT_FALSE(known.has(mark_of(1, 1)));
  EXPECT_TRUE(known.has(mark_of(1, 2)));
}

TEST(KnownSignatures, MarksTellCertificatesAndIssuersApart) {
  auto alice = must(load_certificates(world().client.certificate_pem));
  auto ca = must(load_certificates(world().ca.certificate_pem));
  auto namesake = must(load_certificates(world().namesake.certificate_pem));
  KnownSignatures known;
  const auto mark = known.mark(alice[0].get(), ca[0].get());
  ASSERT_TRUE(mark);
  EXPECT_NE(known.mark(alice[0].get(), namesake[0].get()), mark);
  EXPECT_NE(known.mark(ca[0].get(), alice[0].get()), mark);
  EXPECT_NE(known.mark(ca[0].get(), ca[0].get()), mark);
  known.add_authority(ca[0].get());
  EXPECT_EQ(known.mark(alice[0].get(), ca[0].get()), mark);
}

/// Certificates of the world, and the first CA known as one that signed many.
struct Issued {
  std::vector<OwnedX509> ca = must(load_certificates(world().ca.certificate_pem));
  std::vector<OwnedX509> alice = must(load_certificates(world().client.certificate_pem));
  KnownSignatures known;

  Issued() {
    known.add_authority(ca[0].get());
    known.expect_many_of(ca[0].get());
  }
  bool good(X509* certificate) const {
    const bool good = known.signed_by(certificate, ca[0].get());
    EXPECT_TRUE(!good || X509_verify(certificate, X509_get0_pubkey(ca[0].get())) == 1);
    ERR_clear_error();
    return good;
  }
  /// Alice's certificate with one byte of its DER changed.
  OwnedX509 changed(size_t at, uint8_t to) const {
    unsigned char* der = nullptr;
    const int size = i2d_X509(alice[0].get(), &der);
    der[at] = to;
    const unsigned char* begin = der;
    OwnedX509 certificate(d2i_X509(nullptr, &begin, size));
    OPENSSL_free(der);
    ERR_clear_error();
    return certificate;
  }
};

TEST(KnownSignatures, VerifiesSignaturesOfAnAuthority) {
  const Issued issued;
  EXPECT_TRUE(issued.good(issued.alice[0].get()));
  EXPECT_TRUE(issued.good(issued.ca[0].get()));
  // Another key of the same name, and nobody who was told of.
  auto other =
      must(load_certificates(World::issue(world().namesake, "alice", CertificateUse::kClient).certificate_pem));
  EXPECT_FALSE(issued.good(other[0].get()));
  EXPECT_FALSE(issued.known.signed_by(issued.alice[0].get(), issued.alice[0].get()));
  KnownSignatures fresh;
  EXPECT_FALSE(fresh.signed_by(issued.alice[0].get(), issued.ca[0].get()));
  fresh.expect_many_of(issued.ca[0].get());  // no authority of it
  EXPECT_FALSE(fresh.signed_by(issued.alice[0].get(), issued.ca[0].get()));
}

TEST(KnownSignatures, VerifiesEveryByteOfACertificate) {
  const Issued issued;
  unsigned char* der = nullptr;
  const auto size = static_cast<size_t>(i2d_X509(issued.alice[0].get(), &der));
  const std::vector<uint8_t> bytes(der, der + size);
  OPENSSL_free(der);
  size_t readable = 0;
  for (size_t at = 0; at < size; ++at) {
    for (uint8_t bit : {0x01, 0x80}) {
      const OwnedX509 certificate = issued.changed(at, bytes[at] ^ bit);
      if (!certificate) continue;
      ++readable;
      EXPECT_FALSE(issued.good(certificate.get())) << at;
    }
  }
  EXPECT_GT(readable, size / 2);
}

TEST(KnownSignatures, LeavesOtherSignaturesToOpenssl) {
  const Issued issued;
  const OwnedKey ca_key = must(load_key(world().ca.key_pem, ""));
  OwnedX509 certificate(X509_dup(issued.alice[0].get()));
  ASSERT_GT(X509_sign(certificate.get(), ca_key.get(), EVP_sha384()), 0);
  EXPECT_EQ(X509_verify(certificate.get(), ca_key.get()), 1);
  EXPECT_FALSE(issued.good(certificate.get()));
  ASSERT_GT(X509_sign(certificate.get(), ca_key.get(), EVP_sha256()), 0);
  EXPECT_TRUE(issued.good(certificate.get()));
}

TEST(KnownSignatures, AuthoritiesThatMayNotSignVerifyNothing) {
  auto leaf = must(load_certificates(world().client.certificate_pem));  // its key usage has no keyCertSign
  const OwnedKey key = must(load_key(world().client.key_pem, ""));
  OwnedX509 below(X509_dup(leaf[0].get()));
  ASSERT_GT(X509_sign(below.get(), key.get(), EVP_sha256()), 0);
  EXPECT_EQ(X509_verify(below.get(), key.get()), 1);
  KnownSignatures known;
  known.add_authority(leaf[0].get());
  known.expect_many_of(leaf[0].get());
  EXPECT_FALSE(known.signed_by(below.get(), leaf[0].get()));
}

TEST(KnownSignatures, HasTablesForAFewAuthorities) {
  KnownSignatures known;
  std::vector<Identity> authorities;
  std::vector<OwnedX509> certificates;
  for (size_t count = 0; count <= KnownSignatures::kTables; ++count) {
    authorities.push_back(must(make_authority("CA " + std::to_string(count), kYear)));
    certificates.push_back(std::move(must(load_certificates(authorities.back().certificate_pem)).front()));
    known.add_authority(certificates.back().get());
    known.expect_many_of(certificates.back().get());
  }
  for (size_t at = 0; at < certificates.size(); ++at)
    EXPECT_EQ(known.signed_by(certificates[at].get(), certificates[at].get()), at < KnownSignatures::kTables) << at;
}

TEST(KnownSignatures, TakesOnlyListsThatNeedNoFurtherCheck) {
  auto ca = must(load_certificates(world().ca.certificate_pem));
  auto leaf = must(load_certificates(world().client.certificate_pem));
  auto lists = must(load_crls(must(make_crl(world().ca, {}, 1, kYear))));
  KnownSignatures known;
  EXPECT_FALSE(known.has_list(lists[0].get(), ca[0].get()));
  known.add_list(lists[0].get(), leaf[0].get());  // its key usage has no cRLSign
  EXPECT_FALSE(known.has_list(lists[0].get(), leaf[0].get()));
  known.add_list(lists[0].get(), ca[0].get());
  EXPECT_TRUE(known.has_list(lists[0].get(), ca[0].get()));
  EXPECT_FALSE(known.has_list(lists[0].get(), leaf[0].get()));

  auto partial = must(load_crls(must(make_crl(world().ca, {}, 2, kYear))));
  Owned<ISSUING_DIST_POINT, ISSUING_DIST_POINT_free> scope(ISSUING_DIST_POINT_new());
  scope->onlyuser = 0xFF;
  ASSERT_EQ(X509_CRL_add1_ext_i2d(partial[0].get(), NID_issuing_distribution_point, scope.get(), 1, 0), 1);
  known.add_list(partial[0].get(), ca[0].get());
  EXPECT_FALSE(known.has_list(partial[0].get(), ca[0].get()));
}

}  // namespace
}  // namespace culvert::crypto
