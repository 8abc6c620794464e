// Hashes and HMACs that are put together here: what OpenSSL's own HMAC says.
#include "control/crypto/hasher.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "tests/unit/support/vectors.h"

namespace culvert::crypto {
namespace {

using culvert::testing::counted;
using culvert::testing::from_hex;
using Octets = std::vector<uint8_t>;

constexpr std::array kDigests = {Digest::kSha1, Digest::kSha224, Digest::kSha256, Digest::kSha384, Digest::kSha512};

Octets openssl_hmac(Digest digest, const Octets& key, const Octets& text) {
  const std::string name(digest_name(digest));
  Octets out(digest_size(digest));
  EXPECT_NE(EVP_Q_mac(nullptr, "HMAC", nullptr, name.c_str(), nullptr, key.data(), key.size(), text.data(), text.size(),
                      out.data(), out.size(), nullptr),
            nullptr);
  return out;
}

TEST(Hasher, KnowsTheSizesOfEachHashFunction) {
  for (Digest digest : kDigests) {
    const HashFunction function = hash_function(digest);
    ASSERT_NE(function.digest, nullptr) << digest_name(digest);
    EXPECT_EQ(function.size, static_cast<size_t>(EVP_MD_get_size(function.digest)));
    EXPECT_EQ(function.block, static_cast<size_t>(EVP_MD_get_block_size(function.digest)));
  }
  EXPECT_EQ(hash_function(Digest::kNone).digest, nullptr);
  EXPECT_EQ(hash_function(static_cast<Digest>(6)).digest, nullptr);
}

/// Below EVP, and through it, as on machines whose openssl.cnf sets up other providers.
std::array<HashFunction, 2> both_ways(Digest digest) {
  return {hash_function(digest), evp_hash_function(digest)};
}

TEST(Hasher, GoesBelowEvpOnAMachineLikeThis) {
  for (Digest digest : kDigests) {
    EXPECT_NE(hash_function(digest).direct, nullptr);
    EXPECT_EQ(evp_hash_function(digest).direct, nullptr);
    EXPECT_EQ(evp_hash_function(digest).digest, hash_function(digest).digest);
  }
}

/// OpenSSL may not be started yet when the first hash is wanted.
int hashers_under(const char* configuration, bool below_evp) {
  const std::string path = ::testing::TempDir() + "hasher_test.cnf";
  std::ofstream(path) << configuration;
  setenv("OPENSSL_CONF", path.c_str(), 1);
  const HashFunction function = hash_function(Digest::kSha256);
  if ((function.direct != nullptr) != below_evp) return 1;
  Octets out(32);
  if (!HmacKey(function, bytes_of("k")).tag({bytes_of("abc")}, out)) return 2;
  return out == openssl_hmac(Digest::kSha256, {'k'}, {'a', 'b', 'c'}) ? 0 : 3;
}

TEST(Hasher, LeavesOtherProvidersToTheConfiguration) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const std::string begin = "openssl_conf = begin\n[begin]\nproviders = all\n[on]\nactivate = 1\n[all]\ndefault = on\n";
  EXPECT_EXIT(std::_Exit(hashers_under(begin.c_str(), true)), ::testing::ExitedWithCode(0), "");
  EXPECT_EXIT(std::_Exit(hashers_under((begin + "base = on\n").c_str(), false)), ::testing::ExitedWithCode(0), "");
}

// FIPS 180-4's example "abc".
TEST(Hasher, HashesOneComputationBehindTheOther) {
  const Octets abc = from_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  for (const HashFunction& function : both_ways(Digest::kSha256)) {
    Hasher hasher(function);
    for (int time = 0; time < 2; ++time) {
      Octets out(32);
      EXPECT_TRUE(hasher.hash({bytes_of("ab"), {}, bytes_of("c")}, out));
      EXPECT_EQ(out, abc);
      EXPECT_TRUE(hasher.hash({}, out));
      EXPECT_EQ(out, from_hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    }
  }
}

TEST(Hasher, HashesWhatOpensslHashes) {
  for (Digest digest : kDigests)
    for (const HashFunction& function : both_ways(digest))
      for (size_t size = 0; size <= 2 * kMaxHashBlock + 1; ++size) {
        const Octets text = counted(size, 5);
        Octets out(function.size);
        Octets expected(function.size);
        ASSERT_TRUE(Hasher(function).hash({Bytes(text).first(size / 3), Bytes(text).subspan(size / 3)}, out));
        ASSERT_EQ(EVP_Digest(text.data(), size, expected.data(), nullptr, function.digest, nullptr), 1);
        ASSERT_EQ(out, expected) << digest_name(digest) << ", " << size << " bytes";
      }
}

TEST(Hasher, ResumesWhereAnotherIs) {
  for (Digest digest : kDigests)
    for (const HashFunction& function : both_ways(digest)) {
      Hasher begun(function);
      ASSERT_TRUE(begun.begin() && begun.add({bytes_of("a")}));
      Octets whole(function.size);
      Octets out(function.size);
      ASSERT_TRUE(Hasher(function).hash({bytes_of("abc")}, whole));
      Hasher other(function);
      for (int time = 0; time < 2; ++time) {
        ASSERT_TRUE(other.resume(begun) && other.add({bytes_of("bc")}) && other.end(out));
        EXPECT_EQ(out, whole) << digest_name(digest);
      }
    }
}

TEST(HmacKey, AuthenticatesWithKeysOfEverySize) {
  for (Digest digest : kDigests)
    for (const HashFunction& function : both_ways(digest))
      for (size_t size = 1; size <= 2 * kMaxHashBlock + 1; ++size) {
        const Octets key = counted(size, 3);
        const Octets text = counted(size, 200);
        Octets out(function.size);
        ASSERT_TRUE(HmacKey(function, key).tag({text}, out));
        ASSERT_EQ(out, openssl_hmac(digest, key, text)) << digest_name(digest) << ", " << size << " bytes";
      }
}

TEST(HmacKey, AuthenticatesOneTextBehindTheOther) {
  for (Digest digest : kDigests)
    for (const HashFunction& function : both_ways(digest)) {
      HmacKey key(function, bytes_of("k"));
      for (size_t size = 0; size < 3 * kMaxHashBlock; size += 37) {
        Octets out(function.size);
        ASSERT_TRUE(key.tag({counted(size, 0), {}, bytes_of("c")}, out));
        Octets text = counted(size, 0);
        text.push_back('c');
        EXPECT_EQ(out, openssl_hmac(digest, {'k'}, text)) << digest_name(digest) << ", " << size << " bytes";
      }
    }
}

TEST(HmacKey, MayWriteOverWhatItReads) {
  for (const HashFunction& function : both_ways(Digest::kSha256)) {
    Octets text = counted(32, 1);
    const Octets expected = openssl_hmac(Digest::kSha256, counted(32, 9), text);
    EXPECT_TRUE(HmacKey(function, counted(32, 9)).tag({text}, text));
    EXPECT_EQ(text, expected);
  }
}

TEST(Hasher, RefusesAShortOutputAndNoFunction) {
  Octets out(32);
  for (const HashFunction& function : both_ways(Digest::kSha256)) {
    EXPECT_FALSE(Hasher(function).hash({bytes_of("abc")}, std::span(out).first(31)));
    EXPECT_FALSE(HmacKey(function, bytes_of("k")).tag({bytes_of("abc")}, std::span(out).first(31)));
  }
  const HashFunction none = hash_function(Digest::kNone);
  EXPECT_FALSE(Hasher(none).hash({bytes_of("abc")}, out));
  EXPECT_FALSE(HmacKey(none, bytes_of("k")).tag({bytes_of("abc")}, out));
}

}  // namespace
}  // namespace culvert::crypto
