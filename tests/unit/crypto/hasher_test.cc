// Hashes and HMACs that are put together here: what OpenSSL's own HMAC says.
#include "control/crypto/hasher.h"

#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <string>
#include <vector>

#include "tests/unit/support/vectors.h"

namespace culvert::crypto {
namespace {

using culvert::testing::from_hex;
using Octets = std::vector<uint8_t>;

constexpr std::array kDigests = {Digest::kSha1, Digest::kSha224, Digest::kSha256, Digest::kSha384, Digest::kSha512};

Octets counted(size_t size, uint8_t first) {
  Octets bytes(size);
  std::iota(bytes.begin(), bytes.end(), first);
  return bytes;
}

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

// FIPS 180-4's example "abc".
TEST(Hasher, HashesOneComputationBehindTheOther) {
  const Octets abc = from_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Hasher hasher(hash_function(Digest::kSha256));
  for (int time = 0; time < 2; ++time) {
    Octets out(32);
    EXPECT_TRUE(hasher.hash({bytes_of("ab"), {}, bytes_of("c")}, out));
    EXPECT_EQ(out, abc);
    EXPECT_TRUE(hasher.hmac(bytes_of("k"), {bytes_of("abc")}, out));
    EXPECT_EQ(out, openssl_hmac(Digest::kSha256, {'k'}, {'a', 'b', 'c'}));
    EXPECT_TRUE(hasher.hash({}, out));
    EXPECT_EQ(out, from_hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
  }
}

TEST(Hasher, AuthenticatesWithKeysOfEverySize) {
  for (Digest digest : kDigests)
    for (size_t size = 1; size <= 2 * kMaxHashBlock + 1; ++size) {
      const Octets key = counted(size, 3);
      const Octets text = counted(size, 200);
      Octets out(digest_size(digest));
      Hasher hasher(hash_function(digest));
      ASSERT_TRUE(hasher.hmac(key, {text}, out));
      ASSERT_EQ(out, openssl_hmac(digest, key, text)) << digest_name(digest) << ", " << size << " bytes";
    }
}

TEST(Hasher, MayWriteOverWhatItReads) {
  Octets text = counted(32, 1);
  const Octets expected = openssl_hmac(Digest::kSha256, counted(32, 9), text);
  EXPECT_TRUE(Hasher(hash_function(Digest::kSha256)).hmac(counted(32, 9), {text}, text));
  EXPECT_EQ(text, expected);
}

TEST(Hasher, RefusesAShortOutputAndNoFunction) {
  Octets out(32);
  Hasher hasher(hash_function(Digest::kSha256));
  EXPECT_FALSE(hasher.hash({bytes_of("abc")}, std::span(out).first(31)));
  EXPECT_FALSE(hasher.hmac(bytes_of("k"), {bytes_of("abc")}, std::span(out).first(31)));
  Hasher none(hash_function(Digest::kNone));
  EXPECT_FALSE(none.hash({bytes_of("abc")}, out));
  EXPECT_FALSE(none.hmac(bytes_of("k"), {bytes_of("abc")}, out));
}

}  // namespace
}  // namespace culvert::crypto
