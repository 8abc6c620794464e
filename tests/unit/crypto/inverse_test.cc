// Inverses against BN_mod_inverse().
#include "control/crypto/inverse.h"

#include <gtest/gtest.h>
#include <openssl/ec.h>

#include <string>
#include <vector>

namespace culvert::crypto {
namespace {

OwnedBignum hex(const char* digits) {
  BIGNUM* number = nullptr;
  EXPECT_GT(BN_hex2bn(&number, digits), 0);
  return OwnedBignum(number);
}

std::string text(const BIGNUM* number) {
  if (number == nullptr) return "none";
  char* digits = BN_bn2hex(number);
  std::string out = digits;
  OPENSSL_free(digits);
  return out;
}

void expect_same(const BIGNUM* number, const BIGNUM* modulus) {
  OwnedBignum expected(BN_mod_inverse(nullptr, number, modulus, nullptr));
  ERR_clear_error();  // of what has none
  EXPECT_EQ(text(inverse_of_public(number, modulus).get()), text(expected.get()))
      << text(number) << " modulo " << text(modulus);
}

/// The order of P-256 (SEC 2, section 2.4.2), its prime, the largest odd number that fits, small ones, one that is
/// composite.
const std::vector<const char*> kModuli = {
    "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551",
    "FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF",
    "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF",
    "3",
    "FFFFFFFFFFFFFFFB",
    "15",
};

TEST(InverseOfPublic, IsOpenSslsAtRandom) {
  for (const char* digits : kModuli) {
    const OwnedBignum modulus = hex(digits);
    for (int turn = 0; turn < 500; ++turn) {
      OwnedBignum number(BN_new());
      do {
        ASSERT_EQ(BN_rand_range(number.get(), modulus.get()), 1);
      } while (BN_is_zero(number.get()) != 0);
      expect_same(number.get(), modulus.get());
    }
  }
}

TEST(InverseOfPublic, IsOpenSslsAtTheEdges) {
  for (const char* digits : kModuli) {
    const OwnedBignum modulus = hex(digits);
    for (int bit = 0; bit < BN_num_bits(modulus.get()) - 1; ++bit) {
      OwnedBignum number(BN_new());
      BN_set_bit(number.get(), bit);
      expect_same(number.get(), modulus.get());
      BN_sub(number.get(), modulus.get(), number.get());
      expect_same(number.get(), modulus.get());
    }
  }
}

TEST(InverseOfPublic, NoneWhereThereIsNone) {
  expect_same(hex("7").get(), hex("15").get());
  expect_same(hex("9").get(), hex("15").get());
}

TEST(InverseOfPublic, NoneOutOfRange) {
  const OwnedBignum order = hex(kModuli[0]);
  EXPECT_FALSE(inverse_of_public(hex("0").get(), order.get()));
  EXPECT_FALSE(inverse_of_public(hex("-1").get(), order.get()));
  EXPECT_FALSE(inverse_of_public(order.get(), order.get()));
  OwnedBignum beyond(BN_dup(order.get()));
  BN_add_word(beyond.get(), 1);
  EXPECT_FALSE(inverse_of_public(beyond.get(), order.get()));
  EXPECT_FALSE(inverse_of_public(hex("3").get(), hex("10").get())) << "an even modulus";
  EXPECT_FALSE(
      inverse_of_public(hex("3").get(), hex("10000000000000000000000000000000000000000000000000000000000000001").get()))
      << "a modulus of 257 bits";
}

}  // namespace
}  // namespace culvert::crypto
