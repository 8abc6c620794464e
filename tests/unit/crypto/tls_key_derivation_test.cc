// TLS 1.3's key derivation in the library context of TLS: the published answers, and whatever OpenSSL's own says.
#include "control/crypto/tls_key_derivation.h"

#include <gtest/gtest.h>
#include <openssl/core_names.h>

#include <optional>
#include <string>
#include <vector>

#include "control/crypto/openssl.h"
#include "control/crypto/tls_library.h"
#include "control/crypto/tls_recent_keys.h"
#include "tests/unit/support/vectors.h"

namespace culvert::crypto {
namespace {

using culvert::testing::counted;
using culvert::testing::from_hex;
using Octets = std::vector<uint8_t>;

/// What libssl asks for. Absent parameters are not given at all.
struct Derivation {
  int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
  std::string digest = "SHA2-384";
  std::optional<Octets> key = std::nullopt;
  std::optional<Octets> salt = std::nullopt;
  std::optional<std::string> prefix = "tls13 ";
  std::optional<std::string> label = "key";
  std::optional<Octets> data = std::nullopt;
  size_t size = 48;
};

OwnedKdfCtx make_context(OSSL_LIB_CTX* library) {
  OwnedKdf kdf(EVP_KDF_fetch(library, OSSL_KDF_NAME_TLS1_3_KDF, nullptr));
  return OwnedKdfCtx(EVP_KDF_CTX_new(kdf.get()));
}

std::vector<OSSL_PARAM> params_of(Derivation& wanted) {
  std::vector<OSSL_PARAM> params = {OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &wanted.mode),
                                    OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, wanted.digest.data(), 0)};
  const auto add = [&](const char* name, auto& bytes) {
    if (bytes) params.push_back(OSSL_PARAM_construct_octet_string(name, bytes->data(), bytes->size()));
  };
  add(OSSL_KDF_PARAM_KEY, wanted.key);
  add(OSSL_KDF_PARAM_SALT, wanted.salt);
  add(OSSL_KDF_PARAM_PREFIX, wanted.prefix);
  add(OSSL_KDF_PARAM_LABEL, wanted.label);
  add(OSSL_KDF_PARAM_DATA, wanted.data);
  params.push_back(OSSL_PARAM_construct_end());
  return params;
}

/// Empty: refused.
Octets derive_in(EVP_KDF_CTX* context, Derivation wanted) {
  Octets out(wanted.size);
  const bool done = EVP_KDF_derive(context, out.data(), out.size(), params_of(wanted).data()) == 1;
  ERR_clear_error();
  return done ? out : Octets();
}
Octets derive(OSSL_LIB_CTX* library, const Derivation& wanted) {
  return derive_in(make_context(library).get(), wanted);
}

/// Both libraries agree, on an answer.
void expect_same_derivation(const Derivation& wanted, const std::string& which) {
  const Octets openssl = derive(nullptr, wanted);
  EXPECT_FALSE(openssl.empty()) << which;
  EXPECT_EQ(derive(tls_library(), wanted), openssl) << which;
}
/// Both libraries refuse.
void expect_not_derived(const Derivation& wanted, const std::string& which) {
  EXPECT_TRUE(derive(nullptr, wanted).empty()) << which;
  EXPECT_TRUE(derive(tls_library(), wanted).empty()) << which;
}

// RFC 8448, section 3: secrets of the simple handshake.
constexpr const char* kEarly = "33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a";
constexpr const char* kShared = "8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d";
constexpr const char* kHandshake = "1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac";
constexpr const char* kHelloHash = "860c06edc07858ee8e78f0e7428c58edd6b43f2ca3e6e95f02ed063cf0e1cad8";
constexpr const char* kServerSecret = "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38";

TEST(TlsKeyDerivation, GivesThePublishedAnswers) {
  const Derivation early{.mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY, .digest = "SHA2-256", .label = "derived", .size = 32};
  EXPECT_EQ(derive(tls_library(), early), from_hex(kEarly));
  Derivation handshake = early;
  handshake.salt = from_hex(kEarly);
  handshake.key = from_hex(kShared);
  EXPECT_EQ(derive(tls_library(), handshake), from_hex(kHandshake));
  Derivation server{.digest = "SHA2-256", .key = from_hex(kHandshake), .label = "s hs traffic", .size = 32};
  server.data = from_hex(kHelloHash);
  EXPECT_EQ(derive(tls_library(), server), from_hex(kServerSecret));
  const Derivation key{.digest = "SHA2-256", .key = from_hex(kServerSecret), .label = "key", .size = 16};
  EXPECT_EQ(derive(tls_library(), key), from_hex("3fce516009c21727d0f2e4e86ee403bc"));
}

TEST(TlsKeyDerivation, ExpandsToEverySize) {
  for (const char* digest : {"SHA2-256", "SHA2-384"})
    for (size_t size = 1; size <= 300; ++size) {
      Derivation wanted{.digest = digest, .key = counted(48, 1), .label = "exporter", .size = size};
      wanted.data = counted(48, 7);
      expect_same_derivation(wanted, std::string(digest) + ", " + std::to_string(size) + " bytes");
    }
}

TEST(TlsKeyDerivation, TakesEverySizeOfInput) {
  for (const char* digest : {"SHA2-256", "SHA2-384", "SHA2-512"})
    for (size_t size : {1, 2, 31, 32, 33, 47, 48, 63, 64, 65, 127, 128, 129, 200}) {
      const std::string which = std::string(digest) + ", " + std::to_string(size);
      expect_same_derivation({.digest = digest, .key = counted(size, 1)}, which + " bytes of key");
      expect_same_derivation({.digest = digest, .key = counted(32, 1), .data = counted(size, 3)},
                             which + " bytes of data");
      expect_same_derivation({.digest = digest, .key = counted(32, 1), .label = std::string(size, 'l')},
                             which + " of label");
      expect_same_derivation({.digest = digest, .key = counted(32, 1), .prefix = std::string(size, 'p')},
                             which + " of prefix");
    }
  expect_not_derived({.key = counted(48, 1), .data = Octets()}, "data that are nowhere");
  expect_same_derivation({.key = counted(48, 1), .label = std::string(249, 'l'), .data = counted(255, 0)},
                         "all that fits");
}

TEST(TlsKeyDerivation, ExtractsWithAndWithoutWhatCameBefore) {
  for (const auto& [digest, size] : {std::pair("SHA2-256", 32), std::pair("SHA2-384", 48), std::pair("SHA2-512", 64)})
    for (bool salt : {false, true})
      for (size_t key : {0, 1, 32, 48, 66, 128, 129, 256}) {
        Derivation wanted{.mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY, .digest = digest, .label = "derived"};
        wanted.size = static_cast<size_t>(size);
        if (salt) wanted.salt = counted(wanted.size, 9);
        if (key != 0) wanted.key = counted(key, 5);
        expect_same_derivation(
            wanted, std::string(digest) + (salt ? ", salt, " : ", ") + std::to_string(key) + " bytes of key");
      }
}

/// The salt that stands at the beginning of every handshake, and its neighbours.
TEST(TlsKeyDerivation, ExtractsFromTheEarlySecret) {
  for (const auto& [digest, size] : {std::pair("SHA2-256", 32), std::pair("SHA2-384", 48)}) {
    Derivation wanted{.mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY, .digest = digest, .label = "derived"};
    wanted.size = static_cast<size_t>(size);
    const Octets early = derive(nullptr, wanted);
    for (const std::string& label : std::vector<std::string>{"derived", "derivee", "derive"})
      for (const std::string& prefix : std::vector<std::string>{"tls13 ", "dtls13"}) {
        wanted.label = label;
        wanted.prefix = prefix;
        wanted.salt = early;
        wanted.key = counted(32, 5);
        expect_same_derivation(wanted, digest + label + prefix);
        wanted.key.reset();
        expect_same_derivation(wanted, digest + label + prefix + ", no key");
        wanted.salt->back() ^= 1;
        expect_same_derivation(wanted, digest + label + prefix + ", another salt");
        wanted.salt->pop_back();
        expect_same_derivation(wanted, digest + label + prefix + ", a shorter salt");
      }
  }
}

/// Secrets that come again, with others in between, and the same bytes as secret of another hash function.
TEST(TlsKeyDerivation, KeepsSecretsApartThatItRemembers) {
  const RecentKeys outer;
  {
    const RecentKeys recent;
    for (const uint8_t secret : {1, 1, 2, 1, 2, 2, 3, 1, 3, 2, 2, 1})
      for (const char* digest : {"SHA2-384", "SHA2-256", "SHA2-256", "SHA2-384", "SHA2-384"})
        for (const size_t size : {size_t{48}, size_t{49}, size_t{12}}) {
          Derivation wanted{.digest = digest, .key = counted(size, secret), .label = "key"};
          expect_same_derivation(wanted, std::string(digest) + " " + std::to_string(secret));
          wanted.data = counted(40, secret);
          expect_same_derivation(wanted, std::string(digest) + " " + std::to_string(secret) + ", data");
        }
  }
  EXPECT_EQ(RecentKeys::of_thread(), &outer);
}

TEST(TlsKeyDerivation, RemembersNothingByItself) {
  EXPECT_EQ(RecentKeys::of_thread(), nullptr);
  RecentKeys recent;
  EXPECT_EQ(RecentKeys::of_thread(), &recent);
  const HashFunction hash = hash_function(Digest::kSha256);
  const HmacKey* first = &recent.hmac(hash, counted(32, 1));
  const HmacKey* second = &recent.hmac(hash, counted(32, 2));
  EXPECT_NE(first, second);
  EXPECT_EQ(&recent.hmac(hash, counted(32, 1)), first);
  EXPECT_EQ(&recent.hmac(hash, counted(32, 3)), second) << "in place of the one that was not used for longer";
  EXPECT_EQ(&recent.hmac(hash, counted(32, 1)), first);
}

TEST(TlsKeyDerivation, RefusesWhatOpensslRefuses) {
  expect_not_derived({.key = counted(48, 1), .size = 255 * 48 + 1}, "too much");
  expect_same_derivation({.key = counted(48, 1), .size = 255 * 48}, "as much as there is");
  expect_not_derived({.key = counted(48, 1), .label = std::string(250, 'l')}, "label and prefix too long");
  expect_not_derived({.key = counted(48, 1), .data = counted(256, 1)}, "too much data");
  expect_not_derived({.digest = "SHA2-999", .key = counted(48, 1)}, "no such digest");
  expect_not_derived({.mode = EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND, .key = counted(48, 1)}, "both modes at once");
  expect_not_derived({.mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY, .key = counted(48, 1), .label = "derived", .size = 47},
                     "less than the hash");
}

/// Ways of asking that libssl does not have.
TEST(TlsKeyDerivation, LeavesOtherWaysToOpenssl) {
  expect_same_derivation({.digest = "SHA384", .key = counted(48, 1)}, "another name of the digest");
  expect_same_derivation({.key = counted(48, 1), .label = std::nullopt, .size = 48}, "no label");
  expect_same_derivation({.key = counted(48, 1), .prefix = std::nullopt, .size = 48}, "no prefix");
  Derivation wanted{.key = counted(48, 1)};
  const Octets answer = derive(nullptr, wanted);
  const OwnedKdfCtx context = make_context(tls_library());
  ASSERT_EQ(EVP_KDF_CTX_set_params(context.get(), params_of(wanted).data()), 1);
  Octets out(48);
  EXPECT_EQ(EVP_KDF_derive(context.get(), out.data(), out.size(), nullptr), 1);
  EXPECT_EQ(out, answer);
  EXPECT_EQ(derive_in(context.get(), wanted), answer) << "again, with everything";
  EVP_KDF_CTX_reset(context.get());
  EXPECT_EQ(EVP_KDF_derive(context.get(), out.data(), out.size(), nullptr), 0) << "nothing is left behind a reset";
  EXPECT_EQ(derive_in(context.get(), wanted), answer);
}

TEST(TlsKeyDerivation, DerivesNothingFromWhatWasGivenToADerivationBefore) {
  const Derivation wanted{.key = counted(48, 1)};
  const OwnedKdfCtx context = make_context(tls_library());
  EXPECT_EQ(derive_in(context.get(), wanted), derive(nullptr, wanted));
  EXPECT_EQ(derive_in(context.get(), wanted), derive(nullptr, wanted)) << "with everything once more";
  EXPECT_TRUE(derive_in(context.get(), {.key = std::nullopt, .label = std::nullopt}).empty());
  EVP_KDF_CTX_reset(context.get());
  EXPECT_EQ(derive_in(context.get(), wanted), derive(nullptr, wanted));
}

TEST(TlsKeyDerivation, SaysWhichParametersThereAre) {
  const OwnedKdf own(EVP_KDF_fetch(tls_library(), OSSL_KDF_NAME_TLS1_3_KDF, nullptr));
  const OwnedKdf openssl(EVP_KDF_fetch(nullptr, OSSL_KDF_NAME_TLS1_3_KDF, nullptr));
  EXPECT_EQ(EVP_KDF_settable_ctx_params(own.get()), EVP_KDF_settable_ctx_params(openssl.get()));
  EXPECT_EQ(EVP_KDF_gettable_ctx_params(own.get()), EVP_KDF_gettable_ctx_params(openssl.get()));
  Derivation wanted{.key = counted(48, 1)};
  const OwnedKdfCtx context = make_context(tls_library());
  ASSERT_EQ(EVP_KDF_CTX_set_params(context.get(), params_of(wanted).data()), 1);
  EXPECT_EQ(EVP_KDF_CTX_get_kdf_size(context.get()), SIZE_MAX);
}

}  // namespace
}  // namespace culvert::crypto
