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

void note(const char* name, void* names) {
  static_cast<Names*>(names)->insert(name);
}

/// All names of all algorithms of one operation.
template <class Algorithm>
Names names_in(OSSL_LIB_CTX* library, void (*each)(OSSL_LIB_CTX*, void (*)(Algorithm*, void*), void*),
               int (*names_of)(const Algorithm*, void (*)(const char*, void*), void*)) {
  struct Visit {
    Names names;
    decltype(names_of) of;
  } visit{{}, names_of};
  each(
      library,
      [](Algorithm* algorithm, void* at) {
        auto* found = static_cast<Visit*>(at);
        found->of(algorithm, note, &found->names);
      },
      &visit);
  return visit.names;
}

template <class Algorithm>
void expect_same(void (*each)(OSSL_LIB_CTX*, void (*)(Algorithm*, void*), void*),
                 int (*names_of)(const Algorithm*, void (*)(const char*, void*), void*)) {
  const Names all = names_in(nullptr, each, names_of);
  EXPECT_FALSE(all.empty());
  EXPECT_EQ(names_in(tls_library(), each, names_of), all);
}

TEST(TlsLibrary, HasEveryAlgorithmOfTheDefaultProvider) {
  expect_same<EVP_CIPHER>(EVP_CIPHER_do_all_provided, EVP_CIPHER_names_do_all);
  expect_same<EVP_MD>(EVP_MD_do_all_provided, EVP_MD_names_do_all);
  expect_same<EVP_MAC>(EVP_MAC_do_all_provided, EVP_MAC_names_do_all);
  expect_same<EVP_KDF>(EVP_KDF_do_all_provided, EVP_KDF_names_do_all);
  expect_same<EVP_RAND>(EVP_RAND_do_all_provided, EVP_RAND_names_do_all);
  expect_same<EVP_KEYMGMT>(EVP_KEYMGMT_do_all_provided, EVP_KEYMGMT_names_do_all);
  expect_same<EVP_KEYEXCH>(EVP_KEYEXCH_do_all_provided, EVP_KEYEXCH_names_do_all);
  expect_same<EVP_SIGNATURE>(EVP_SIGNATURE_do_all_provided, EVP_SIGNATURE_names_do_all);
  expect_same<EVP_ASYM_CIPHER>(EVP_ASYM_CIPHER_do_all_provided, EVP_ASYM_CIPHER_names_do_all);
  expect_same<EVP_KEM>(EVP_KEM_do_all_provided, EVP_KEM_names_do_all);
}

/// 0 when everything is as expected, else the number of the first thing that is not. Runs in a process of its own, with
/// OpenSSL not started yet.
int under(const std::string& configuration, bool own_library, const std::string& version) {
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
  EXPECT_EXIT(std::_Exit(under(providers, true, "TLSv1.3")), ::testing::ExitedWithCode(0), "");
  EXPECT_EXIT(std::_Exit(under(providers + "base = on\n", false, "TLSv1.3")), ::testing::ExitedWithCode(0), "");
}

TEST(TlsLibrary, KeepsThePolicyOfTheConfiguration) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const std::string policy =
      "openssl_conf = begin\n[begin]\nssl_conf = all\n[all]\nsystem_default = tls\n[tls]\nMaxProtocol = TLSv1.2\n";
  EXPECT_EXIT(std::_Exit(under(policy, true, "TLSv1.2")), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace culvert::crypto
