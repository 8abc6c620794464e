// The library context of TLS: nothing that TLS uses may be missing in it, and openssl.cnf goes on deciding.
#include "control/crypto/tls_library.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>

#include "control/crypto/openssl.h"
#include "tests/unit/crypto/tls_fixture.h"

namespace culvert::crypto {
namespace {

using Names = std::set<std::string>;
using OwnedDigest = Owned<EVP_MD, EVP_MD_free>;

/// The cipher suites that a context would offer or take, when everything is allowed.
Names suites(OwnedSslCtx context) {
  EXPECT_EQ(SSL_CTX_set_cipher_list(context.get(), "ALL:COMPLEMENTOFALL:@SECLEVEL=0"), 1);
  OwnedSsl ssl(SSL_new(context.get()));
  STACK_OF(SSL_CIPHER)* list = SSL_get1_supported_ciphers(ssl.get());
  Names names;
  for (int i = 0; i < sk_SSL_CIPHER_num(list); ++i) names.insert(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(list, i)));
  sk_SSL_CIPHER_free(list);
  return names;
}

TEST(TlsLibrary, HasEveryCipherSuite) {
  const Names all = suites(OwnedSslCtx(SSL_CTX_new(TLS_method())));
  EXPECT_GT(all.size(), 60U);
  EXPECT_EQ(suites(new_tls_context(TLS_method())), all);
}

/// Ciphers that OpenSSL keeps and those that it does not, twice with the same contexts.
TEST(TlsLibrary, ConnectsWithCiphersOfBothProviders) {
  for (const char* cipher : {"ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384",
                             "ECDHE-ECDSA-AES128-CCM", "ECDHE-ECDSA-CHACHA20-POLY1305",
                             "ECDHE-ECDSA-ARIA256-GCM-SHA384", "ECDHE-ECDSA-CAMELLIA128-SHA256"}) {
    TlsSettings server = server_settings();
    TlsSettings client = client_settings();
    server.ciphers = client.ciphers = cipher;
    client.max_version = TlsVersion::kTls12;
    auto server_context = TlsContext::make(server);
    auto client_context = TlsContext::make(client);
    ASSERT_TRUE(server_context && client_context) << cipher;
    for (int time = 0; time < 2; ++time) {
      Pair pair{(*server_context)->open(kNow), (*client_context)->open(kNow)};
      pair.client->start();
      pair.exchange();
      EXPECT_EQ(pair.server->status(), TlsStatus::kEstablished) << cipher << ": " << pair.server->error();
      EXPECT_EQ(pair.server->cipher(), cipher);
    }
  }
}

TEST(TlsLibrary, HasEveryGroup) {
  const OwnedSslCtx context = new_tls_context(TLS_method());
  for (const char* group :
       {"P-256", "P-384", "P-521", "X25519", "X448", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1",
        "secp256k1", "sect283k1", "ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe6144", "ffdhe8192"})
    EXPECT_EQ(SSL_CTX_set1_groups_list(context.get(), group), 1) << group;
}

TEST(TlsLibrary, HasTheDigestsOfCertificateSignatures) {
  int seen = 0;
  for (int nid = 1; nid < OBJ_new_nid(0); ++nid) {
    int digest = NID_undef;
    int key = NID_undef;
    if (OBJ_find_sigid_algs(nid, &digest, &key) != 1 || digest == NID_undef) continue;
    const char* name = OBJ_nid2sn(digest);
    if (OwnedDigest known(EVP_MD_fetch(nullptr, name, nullptr)); !known) continue;
    if (digest == NID_sm3) continue;  // signatures by SM2 keys, for which OpenSSL 3.0 has no TLS
    EXPECT_TRUE(OwnedDigest(EVP_MD_fetch(tls_library(), name, nullptr))) << name;
    ++seen;
  }
  EXPECT_GT(seen, 20);
}

TEST(TlsLibrary, HasLittleElse) {
  size_t ciphers = 0;
  EVP_CIPHER_do_all_provided(
      tls_library(), [](EVP_CIPHER*, void* count) { ++*static_cast<size_t*>(count); }, &ciphers);
  EXPECT_GT(ciphers, 10U);
  EXPECT_LT(ciphers, 20U);
}

/// 0 when everything is as expected, else the number of the first thing that is not. Runs in a process of its own, with
/// OpenSSL not started yet.
int library_under(const std::string& configuration, bool own_library, const std::string& version) {
  const std::string path = ::testing::TempDir() + "tls_library_test.cnf";
  std::ofstream(path) << configuration;
  setenv("OPENSSL_CONF", path.c_str(), 1);
  if ((tls_library() != nullptr) != own_library) return 1;
  auto server = TlsContext::make(server_settings());
  auto client = TlsContext::make(client_settings());
  if (!server || !client) return 2;
  Pair pair{(*server)->open(kNow), (*client)->open(kNow)};
  pair.client->start();
  pair.exchange();
  if (pair.server->status() != TlsStatus::kEstablished) return 3;
  return pair.server->version() == version ? 0 : 4;
}

TEST(TlsLibrary, LeavesOtherProvidersToTheConfiguration) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const std::string providers =
      "openssl_conf = begin\n[begin]\nproviders = all\n[on]\nactivate = 1\n[all]\ndefault = on\n";
  EXPECT_EXIT(std::_Exit(library_under(providers, true, "TLSv1.3")), ::testing::ExitedWithCode(0), "");
  EXPECT_EXIT(std::_Exit(library_under(providers + "base = on\n", false, "TLSv1.3")), ::testing::ExitedWithCode(0), "");
}

TEST(TlsLibrary, KeepsThePolicyOfTheConfiguration) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const std::string policy =
      "openssl_conf = begin\n[begin]\nssl_conf = all\n[all]\nsystem_default = tls\n[tls]\nMaxProtocol = TLSv1.2\n";
  EXPECT_EXIT(std::_Exit(library_under(policy, true, "TLSv1.2")), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace culvert::crypto
