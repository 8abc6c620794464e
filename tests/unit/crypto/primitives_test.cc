// Known answers of the standards, and what the primitives refuse.
#include "control/crypto/primitives.h"

#include <gtest/gtest.h>

#include <thread>

#include "control/crypto/pem.h"
#include "tests/unit/support/vectors.h"

namespace culvert::crypto {
namespace {

using culvert::testing::from_hex;

std::vector<uint8_t> mac(Digest digest, std::string_view key, std::initializer_list<Bytes> parts) {
  std::vector<uint8_t> out(digest_size(digest));
  EXPECT_TRUE(hmac(digest, bytes_of(key), parts, out));
  return out;
}

// RFC 2202, HMAC-SHA-1 test case 2; RFC 4231, test case 2.
TEST(Hmac, GivesTheAnswersOfTheRfcs) {
  const std::string_view text = "what do ya want for nothing?";
  EXPECT_EQ(mac(Digest::kSha1, "Jefe", {bytes_of(text)}), from_hex("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"));
  EXPECT_EQ(mac(Digest::kSha224, "Jefe", {bytes_of(text)}),
            from_hex("a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44"));
  EXPECT_EQ(mac(Digest::kSha256, "Jefe", {bytes_of(text)}),
            from_hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
  EXPECT_EQ(
      mac(Digest::kSha384, "Jefe", {bytes_of(text)}),
      from_hex("af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"));
  EXPECT_EQ(
      mac(Digest::kSha512, "Jefe", {bytes_of(text)}),
      from_hex("164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1"
               "a34d4a6b4b636e070a38bce737"));
}

TEST(Hmac, TakesPartsAsIfTheyStoodTogether) {
  EXPECT_EQ(mac(Digest::kSha256, "k", {bytes_of("ab"), {}, bytes_of("c")}),
            mac(Digest::kSha256, "k", {bytes_of("abc")}));
  EXPECT_NE(mac(Digest::kSha256, "k", {bytes_of("abc")}), mac(Digest::kSha256, "l", {bytes_of("abc")}));
}

// Contexts are used again: nothing of one call may show in the next.
TEST(Hmac, ForgetsTheKeysOfBefore) {
  const std::string longer_than_a_block(200, 'x');
  const auto first = mac(Digest::kSha256, "Jefe", {bytes_of("abc")});
  const auto of_long_key = mac(Digest::kSha256, longer_than_a_block, {bytes_of("abc")});
  EXPECT_NE(of_long_key, first);
  EXPECT_EQ(mac(Digest::kSha256, "Jefe", {bytes_of("abc")}), first);
  std::array<uint8_t, 32> out;
  EXPECT_FALSE(hmac(Digest::kSha256, {}, {bytes_of("abc")}, out));
  EXPECT_EQ(mac(Digest::kSha256, "Jefe", {bytes_of("abc")}), first);
  EXPECT_EQ(mac(Digest::kSha256, longer_than_a_block, {bytes_of("abc")}), of_long_key);
  std::vector<uint8_t> in_another_thread;
  std::thread([&] { in_another_thread = mac(Digest::kSha256, "Jefe", {bytes_of("abc")}); }).join();
  EXPECT_EQ(in_another_thread, first);
}

TEST(Hmac, RefusesAnEmptyKeyAndAShortOutput) {
  std::array<uint8_t, 32> out;
  EXPECT_FALSE(hmac(Digest::kSha256, {}, {bytes_of("abc")}, out));
  EXPECT_FALSE(hmac(Digest::kSha256, bytes_of("k"), {bytes_of("abc")}, std::span(out).first(31)));
}

// NIST SP 800-38A, F.5.5.
TEST(Aes256Ctr, GivesTheAnswersOfNist) {
  const auto key = from_hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
  const auto iv = from_hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
  const auto plain = from_hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
  const auto cipher = from_hex("601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5");
  std::vector<uint8_t> out(plain.size());
  ASSERT_TRUE(aes256_ctr(std::span<const uint8_t, 32>(key), std::span<const uint8_t, 16>(iv), plain, out));
  EXPECT_EQ(out, cipher);
  ASSERT_TRUE(aes256_ctr(std::span<const uint8_t, 32>(key), std::span<const uint8_t, 16>(iv), out, out));
  EXPECT_EQ(out, plain);
  EXPECT_FALSE(aes256_ctr(std::span<const uint8_t, 32>(key), std::span<const uint8_t, 16>(iv), plain,
                          std::span(out).first(out.size() - 1)));
}

TEST(Sha256, GivesTheAnswerOfFips180) {
  std::array<uint8_t, 32> out;
  ASSERT_TRUE(sha256(bytes_of("abc"), out));
  EXPECT_EQ(std::vector(out.begin(), out.end()),
            from_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
}

// Answers computed once from RFC 2246, section 5, with HMAC-MD5 and HMAC-SHA1 of Python's standard library. The answer
// of the reference implementation is in tests/unit/openvpn/key_schedule_test.cc.
TEST(Tls1Prf, GivesTheAnswersOfAnotherImplementation) {
  const auto secret =
      from_hex("bded7fa5c1699c010be23dd06ada3a48349f21e5f86263d512c0c5cc379f0e780ec55d9844b2f1db02a96453513568d0");
  const auto first = from_hex("e5acaf549cd25c22d964c0d930fa4b5261d2507fad84c33715b7b9a864020693");
  const auto second = from_hex("135e4d557fdf3aba6406d82975d5c606a9734c9334b42136e96990fbd5358cdb");
  std::vector<uint8_t> out(48);
  ASSERT_TRUE(tls1_prf(secret, {bytes_of("master secret"), first, second}, out));
  EXPECT_EQ(
      out,
      from_hex("cfb0e9414f6550a3259371c5fa65b337bcc5053579a98aafc2c034966342d6169b3e6d284cc36f8a0b58d616e340ecc5"));
  // A secret of odd length: both halves share the middle byte.
  out.resize(20);
  ASSERT_TRUE(tls1_prf(Bytes(secret).first(47), {bytes_of("odd"), first}, out));
  EXPECT_EQ(out, from_hex("4788579f0b0b5974df9320e4ca1e79ff7a398feb"));
}

TEST(EqualConstantTime, ComparesLengthAndEveryByte) {
  const std::vector<uint8_t> a = {1, 2, 3};
  EXPECT_TRUE(equal_constant_time(a, std::vector<uint8_t>{1, 2, 3}));
  EXPECT_TRUE(equal_constant_time({}, {}));
  EXPECT_FALSE(equal_constant_time(a, std::vector<uint8_t>{1, 2}));
  for (size_t i = 0; i < a.size(); ++i) {
    auto b = a;
    b[i] ^= 0x80;
    EXPECT_FALSE(equal_constant_time(a, b)) << i;
  }
}

TEST(Wipe, LeavesNothing) {
  std::array<uint8_t, 4> bytes = {1, 2, 3, 4};
  wipe(bytes);
  EXPECT_EQ(bytes, (std::array<uint8_t, 4>{}));
  std::string text = "a secret that is too long for the small-string buffer";
  const char* memory = text.data();
  wipe(text);
  EXPECT_TRUE(text.empty());
  EXPECT_EQ(std::string(memory, 8), std::string(8, '\0'));
}

TEST(SystemRandom, FillsEveryByteAtSomeTime) {
  SystemRandom random;
  std::array<uint8_t, 64> seen{};
  for (int i = 0; i < 16; ++i) {
    std::array<uint8_t, 64> bytes{};
    random.fill(bytes);
    for (size_t k = 0; k < bytes.size(); ++k) seen[k] = static_cast<uint8_t>(seen[k] | bytes[k]);
  }
  for (size_t k = 0; k < seen.size(); ++k) EXPECT_NE(seen[k], 0) << k;
  random.fill({});
}

TEST(Pem, ComesBackAsItWentIn) {
  const std::vector<uint8_t> bytes = {0, 1, 2, 255};
  auto text = pem_encode("OpenVPN something", bytes);
  ASSERT_TRUE(text) << text.error();
  EXPECT_TRUE(text->starts_with("-----BEGIN OpenVPN something-----\n"));
  auto back = pem_decode("OpenVPN something", "a comment before it\n" + *text);
  ASSERT_TRUE(back) << back.error();
  EXPECT_EQ(*back, bytes);
}

TEST(Pem, SaysWhatItFoundInstead) {
  auto other = pem_decode("WANTED", *pem_encode("OTHER", std::vector<uint8_t>{1}));
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().find("found \"OTHER\""), std::string::npos) << other.error();
  EXPECT_FALSE(pem_decode("WANTED", ""));
  auto cut = pem_decode("WANTED", "-----BEGIN WANTED-----\nAAAA");
  ASSERT_FALSE(cut);
  EXPECT_NE(cut.error().find("damaged"), std::string::npos) << cut.error();
}

}  // namespace
}  // namespace culvert::crypto
