// What TlsContext::make refuses, in which words, and what it warns about.
#include <gtest/gtest.h>

#include "tests/unit/crypto/tls_fixture.h"
#include "tests/unit/support/vectors.h"

namespace culvert::crypto {
namespace {

using culvert::testing::read_vector;

/// make() must fail and say both words.
void expect_refused(const TlsSettings& settings, const std::string& item, const std::string& why) {
  auto made = TlsContext::make(settings);
  ASSERT_FALSE(made) << item;
  EXPECT_TRUE(made.error().starts_with(item + ":")) << made.error();
  EXPECT_NE(made.error().find(why), std::string::npos) << made.error();
}

TEST(TlsContextMake, NamesTheItemThatIsWrong) {
  const World& world = World::instance();
  TlsSettings settings = server_settings();
  settings.ca_pem = "nothing";
  expect_refused(settings, "ca", "BEGIN CERTIFICATE");
  settings = server_settings();
  settings.certificate_pem.clear();
  expect_refused(settings, "cert", "BEGIN CERTIFICATE");
  settings = server_settings();
  settings.certificate_pem.resize(settings.certificate_pem.size() / 2);
  expect_refused(settings, "cert", "damaged");
  settings = server_settings();
  settings.key_pem = settings.certificate_pem;
  expect_refused(settings, "key", "no private key in it");
  settings = server_settings();
  settings.key_pem.resize(settings.key_pem.size() / 2);
  expect_refused(settings, "key", "damaged");
  settings = server_settings();
  settings.key_pem = world.client.key_pem;
  expect_refused(settings, "key", "does not fit the certificate (CN=gate)");
}

TEST(TlsContextMake, OpensProtectedKeysWithThePasswordOnly) {
  TlsSettings settings = server_settings();
  settings.certificate_pem = read_vector("tls/locked.crt");
  settings.key_pem = read_vector("tls/locked.key");
  expect_refused(settings, "key", "protected by a password and none was given");
  settings.key_password = "guess";
  expect_refused(settings, "key", "the password does not open the key");
  settings.key_password = "open sesame";
  EXPECT_TRUE(TlsContext::make(settings));
}

TEST(TlsContextMake, RefusesListsThatWouldRevokeNobody) {
  const World& world = World::instance();
  TlsSettings settings = server_settings();
  settings.crl_pem = "nothing";
  expect_refused(settings, "crl-verify", "BEGIN X509 CRL");
  settings.crl_pem = must(make_crl(world.other_ca, {}, 1, kYear));
  expect_refused(settings, "crl-verify", "none of the CAs");
  settings.crl_pem = must(make_crl(world.namesake, {}, 1, kYear));
  expect_refused(settings, "crl-verify", "not signed by the CA of that name");
}

TEST(TlsContextMake, RefusesPolicyThatCannotWork) {
  TlsSettings settings = server_settings();
  settings.ciphers = "NONSENSE";
  expect_refused(settings, "tls-cipher", "NONSENSE");
  settings = server_settings();
  settings.ciphersuites = "TLS_NONSENSE";
  expect_refused(settings, "tls-ciphersuites", "TLS_NONSENSE");
  settings = server_settings();
  settings.groups = "X25519:nonsense";
  expect_refused(settings, "tls-groups", "nonsense");
  settings = server_settings();
  settings.min_version = TlsVersion::kTls13;
  settings.max_version = TlsVersion::kTls12;
  expect_refused(settings, "TLS version", "below");
}

TEST(TlsContext, KnowsWhoIsRevoked) {
  TlsSettings settings = server_settings();
  EXPECT_FALSE(must(TlsContext::make(settings))->revoked("7"));
  const std::vector<Revocation> revoked = {{"7", kNow}, {"123456789012345678901234567890", kNow}};
  settings.crl_pem = must(make_crl(World::instance().ca, revoked, 1, kYear));
  auto context = must(TlsContext::make(settings));
  EXPECT_TRUE(context->revoked("7"));
  EXPECT_TRUE(context->revoked("123456789012345678901234567890"));
  for (const char* serial : {"", "8", "77", "7 ", "0x7", "-7", "x"}) EXPECT_FALSE(context->revoked(serial)) << serial;
}

TEST(TlsContext, WarnsOfWhatWillKeepClientsOut) {
  const World& world = World::instance();
  EXPECT_TRUE(must(TlsContext::make(server_settings()))->warnings(kNow).empty());
  auto soon = must(TlsContext::make(server_settings()))->warnings(kYear.until - days{3});
  ASSERT_EQ(soon.size(), 2U);
  EXPECT_NE(soon[1].find("certificate \"CN=gate\" expires soon, on 2027-06-01"), std::string::npos) << soon[1];
  auto late = must(TlsContext::make(server_settings()))->warnings(kYear.until + days{3});
  ASSERT_EQ(late.size(), 2U);
  EXPECT_NE(late[0].find("CA certificate \"CN=test CA\" expired on"), std::string::npos) << late[0];

  TlsSettings settings = settings_of(TlsRole::kServer, world.ca, world.client);
  settings.crl_pem = must(make_crl(world.ca, {}, 1, {kNow - days{9}, kNow - days{2}}));
  auto warnings = must(TlsContext::make(settings))->warnings(kNow);
  ASSERT_EQ(warnings.size(), 2U);
  EXPECT_NE(warnings[0].find("not made for a server"), std::string::npos) << warnings[0];
  EXPECT_NE(warnings[1].find("every client is refused"), std::string::npos) << warnings[1];
}

}  // namespace
}  // namespace culvert::crypto
