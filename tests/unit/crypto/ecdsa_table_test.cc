// Signatures verified with a table of the key's multiples: never good where ECDSA_verify() says bad, and good where it
// says good.
#define OPENSSL_SUPPRESS_DEPRECATED  // ECDSA_verify() and EC_KEY, which are compared with

#include "control/crypto/ecdsa_table.h"

#include <gtest/gtest.h>
#include <openssl/ec.h>

#include <array>
#include <random>
#include <vector>

#include "control/crypto/openssl.h"

namespace culvert::crypto {
namespace {

using Octets = std::vector<uint8_t>;
using HashBytes = std::array<uint8_t, 32>;
using OwnedEcKey = Owned<EC_KEY, EC_KEY_free>;
using OwnedPoint = Owned<EC_POINT, EC_POINT_free>;
using OwnedSignature = Owned<ECDSA_SIG, ECDSA_SIG_free>;

OwnedBignum copy(const BIGNUM* number) {
  return OwnedBignum(BN_dup(number));
}
OwnedBignum small(BN_ULONG value) {
  OwnedBignum number(BN_new());
  BN_set_word(number.get(), value);
  return number;
}

OwnedEcKey new_key(int curve = NID_X9_62_prime256v1) {
  OwnedEcKey key(EC_KEY_new_by_curve_name(curve));
  EXPECT_EQ(EC_KEY_generate_key(key.get()), 1);
  return key;
}

/// A public key at this point of P-256.
OwnedEcKey key_at(const EC_POINT* point) {
  OwnedEcKey key(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  EXPECT_EQ(EC_KEY_set_public_key(key.get(), point), 1);
  return key;
}

/// By way of the DER, as keys come out of certificates.
std::shared_ptr<const EcdsaTable> table_of(EC_KEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_EC_PUBKEY(key, &der);
  const unsigned char* at = der;
  const OwnedKey read(d2i_PUBKEY(nullptr, &at, size));
  OPENSSL_free(der);
  return EcdsaTable::of(read.get());
}

Octets der_of(const ECDSA_SIG* signature) {
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(signature, &der);
  Octets out(der, der + size);
  OPENSSL_free(der);
  return out;
}
/// Also of numbers that OpenSSL puts into no signature.
Octets der_of(const BIGNUM* r, const BIGNUM* s) {
  Octets both;
  for (const BIGNUM* number : {r, s}) {
    const OwnedAsn1Integer integer(BN_to_ASN1_INTEGER(number, nullptr));
    unsigned char* der = nullptr;
    const int size = i2d_ASN1_INTEGER(integer.get(), &der);
    both.insert(both.end(), der, der + size);
    OPENSSL_free(der);
  }
  EXPECT_LT(both.size(), 128U);  // one byte of length
  both.insert(both.begin(), {0x30, static_cast<uint8_t>(both.size())});
  return both;
}

/// Arithmetic modulo the order of P-256.
struct Curve {
  OwnedEcKey any{EC_KEY_new_by_curve_name(NID_X9_62_prime256v1)};
  const EC_GROUP* group = EC_KEY_get0_group(any.get());
  const BIGNUM* n = EC_GROUP_get0_order(group);
  Owned<BN_CTX, BN_CTX_free> work{BN_CTX_new()};

  OwnedBignum times(const BIGNUM* a, const BIGNUM* b) const {
    OwnedBignum out(BN_new());
    BN_mod_mul(out.get(), a, b, n, work.get());
    return out;
  }
  OwnedBignum inverse(const BIGNUM* a) const { return OwnedBignum(BN_mod_inverse(nullptr, a, n, work.get())); }
  OwnedBignum minus(const BIGNUM* a) const {
    OwnedBignum out(BN_new());
    BN_sub(out.get(), n, a);
    return out;
  }
  /// a × generator + b × point (null: without it).
  OwnedPoint combined(const BIGNUM* a, const EC_POINT* point, const BIGNUM* b) const {
    OwnedPoint out(EC_POINT_new(group));
    EXPECT_EQ(EC_POINT_mul(group, out.get(), a, point, b, work.get()), 1);
    return out;
  }
  OwnedBignum x_of(const EC_POINT* point) const {
    OwnedBignum x(BN_new());
    EXPECT_EQ(EC_POINT_get_affine_coordinates(group, point, x.get(), nullptr, work.get()), 1);
    return x;
  }
  HashBytes digest(const BIGNUM* e) const {
    HashBytes out{};
    BN_bn2binpad(e, out.data(), out.size());
    return out;
  }
};
const Curve& curve() {
  static const Curve one;
  return one;
}

/// A key, its table, and both verdicts of a signature, which must be the same.
struct Judges {
  OwnedEcKey key;
  std::shared_ptr<const EcdsaTable> table = table_of(key.get());

  bool good(const HashBytes& digest, const Octets& signature) const {
    if (!table) {
      ADD_FAILURE() << "no table";
      return false;
    }
    const bool by_openssl = ECDSA_verify(0, digest.data(), static_cast<int>(digest.size()), signature.data(),
                                         static_cast<int>(signature.size()), key.get()) == 1;
    ERR_clear_error();
    const bool by_table = table->verifies(digest, signature);
    EXPECT_EQ(by_table, by_openssl);
    EXPECT_EQ(ERR_peek_error(), 0UL);
    return by_table && by_openssl;
  }
};

HashBytes some_digest(std::mt19937& random) {
  HashBytes digest{};
  for (uint8_t& byte : digest) byte = static_cast<uint8_t>(random());
  return digest;
}

OwnedSignature sign(const HashBytes& digest, EC_KEY* key) {
  return OwnedSignature(ECDSA_do_sign(digest.data(), static_cast<int>(digest.size()), key));
}

TEST(EcdsaTable, GivesTheVerdictsOfOpenssl) {
  std::mt19937 random(1);
  for (int keys = 0; keys < 3; ++keys) {
    const Judges judges{new_key()};
    ASSERT_TRUE(judges.table);
    for (int round = 0; round < 40; ++round) {
      const HashBytes digest = some_digest(random);
      const Octets signature = der_of(sign(digest, judges.key.get()).get());
      EXPECT_TRUE(judges.good(digest, signature));
      EXPECT_FALSE(judges.good(some_digest(random), signature));
      HashBytes near = digest;
      near[random() % near.size()] ^= static_cast<uint8_t>(1U << random() % 8);
      EXPECT_FALSE(judges.good(near, signature));
      Octets damaged = signature;
      damaged[random() % damaged.size()] ^= static_cast<uint8_t>(1U << random() % 8);
      EXPECT_FALSE(judges.good(digest, damaged));
    }
  }
}

TEST(EcdsaTable, RefusesASignatureOfAnotherKey) {
  std::mt19937 random(2);
  const Judges judges{new_key()};
  const OwnedEcKey other = new_key();
  const HashBytes digest = some_digest(random);
  EXPECT_FALSE(judges.good(digest, der_of(sign(digest, other.get()).get())));
}

TEST(EcdsaTable, NumbersMustLieBetweenZeroAndTheOrder) {
  std::mt19937 random(3);
  const Judges judges{new_key()};
  const HashBytes digest = some_digest(random);
  const OwnedSignature signature = sign(digest, judges.key.get());
  const BIGNUM* r = ECDSA_SIG_get0_r(signature.get());
  const BIGNUM* s = ECDSA_SIG_get0_s(signature.get());
  const BIGNUM* n = curve().n;
  EXPECT_TRUE(judges.good(digest, der_of(r, s)));
  // The other s of the same r, which is one half high: ECDSA as such takes both.
  EXPECT_TRUE(judges.good(digest, der_of(r, curve().minus(s).get())));
  const auto changed = [&](const BIGNUM* number, int which) {
    OwnedBignum out = copy(number);
    if (which == 0) BN_zero(out.get());
    if (which == 1) BN_copy(out.get(), n);
    if (which == 2) BN_add(out.get(), out.get(), n);  // the same modulo the order
    if (which == 3) BN_set_negative(out.get(), 1);
    if (which == 4) BN_sub(out.get(), out.get(), n);  // likewise
    if (which == 5) BN_lshift(out.get(), out.get(), 100);
    return out;
  };
  for (int which = 0; which < 6; ++which) {
    EXPECT_FALSE(judges.good(digest, der_of(changed(r, which).get(), s))) << which;
    EXPECT_FALSE(judges.good(digest, der_of(r, changed(s, which).get()))) << which;
    for (int both = 0; both < 6; ++both)
      EXPECT_FALSE(judges.good(digest, der_of(changed(r, which).get(), changed(s, both).get()))) << which << both;
  }
  for (BN_ULONG a : {1U, 2U})
    for (BN_ULONG b : {1U, 2U}) EXPECT_FALSE(judges.good(digest, der_of(small(a).get(), small(b).get())));
}

TEST(EcdsaTable, TakesDerOnly) {
  std::mt19937 random(4);
  const Judges judges{new_key()};
  const HashBytes digest = some_digest(random);
  const Octets der = der_of(sign(digest, judges.key.get()).get());
  ASSERT_EQ(der[0], 0x30);
  ASSERT_EQ(der[2], 0x02);
  EXPECT_FALSE(judges.good(digest, {}));
  for (size_t size = 1; size < der.size(); ++size)
    EXPECT_FALSE(judges.good(digest, Octets(der.begin(), der.begin() + static_cast<std::ptrdiff_t>(size))));
  Octets longer = der;
  longer.push_back(0);  // behind the end
  EXPECT_FALSE(judges.good(digest, longer));
  longer[1] = static_cast<uint8_t>(longer[1] + 1);  // … and inside
  EXPECT_FALSE(judges.good(digest, longer));
  Octets long_form = der;
  long_form.insert(long_form.begin() + 1, 0x81);  // the length in two bytes
  EXPECT_FALSE(judges.good(digest, long_form));
  Octets padded = der;
  padded.insert(padded.begin() + 4, 0x00);  // a zero before r
  padded[1] = static_cast<uint8_t>(padded[1] + 1);
  padded[3] = static_cast<uint8_t>(padded[3] + 1);
  EXPECT_FALSE(judges.good(digest, padded));
}

TEST(EcdsaTable, TakesDigestsAtTheEdgesOfTheirRange) {
  const Judges judges{new_key()};
  HashBytes highest;
  highest.fill(0xFF);
  OwnedBignum below = copy(curve().n);
  BN_sub_word(below.get(), 1);
  OwnedBignum above = copy(curve().n);
  BN_add_word(above.get(), 1);
  for (const HashBytes& digest : {HashBytes{}, highest, curve().digest(curve().n), curve().digest(below.get()),
                                  curve().digest(above.get()), curve().digest(small(1).get())}) {
    const Octets signature = der_of(sign(digest, judges.key.get()).get());
    EXPECT_TRUE(judges.good(digest, signature));
    HashBytes other = digest;
    other[5] ^= 1;
    EXPECT_FALSE(judges.good(other, signature));
  }
  // Digests that are the same number modulo the order are the same to ECDSA.
  const Octets signature = der_of(sign(HashBytes{}, judges.key.get()).get());
  EXPECT_TRUE(judges.good(curve().digest(curve().n), signature));
}

/// r, s and digest that belong to the point u1 × generator + u2 × key.
struct Crafted {
  OwnedBignum r, s, e;

  Crafted(const EC_POINT* sum, const BIGNUM* u1, const BIGNUM* u2) : r(BN_new()) {
    BN_nnmod(r.get(), curve().x_of(sum).get(), curve().n, curve().work.get());
    s = curve().times(r.get(), curve().inverse(u2).get());
    e = curve().times(u1, s.get());
  }
  Octets der() const { return der_of(r.get(), s.get()); }
  HashBytes digest() const { return curve().digest(e.get()); }
};

TEST(EcdsaTable, TakesAnXAboveTheOrder) {
  const Curve& c = curve();
  // A point whose x is not below the order: the signature has the rest.
  OwnedBignum x = copy(c.n);
  OwnedPoint sum(EC_POINT_new(c.group));
  while (EC_POINT_set_compressed_coordinates(c.group, sum.get(), x.get(), 0, c.work.get()) != 1)
    BN_add_word(x.get(), 1);
  ERR_clear_error();
  const OwnedBignum u1 = small(12345);
  const OwnedBignum u2 = small(67890);
  // key = (sum − u1 × generator) / u2
  const OwnedBignum inverse = c.inverse(u2.get());
  const OwnedPoint key = c.combined(c.minus(c.times(u1.get(), inverse.get()).get()).get(), sum.get(), inverse.get());
  const Judges judges{key_at(key.get())};
  const Crafted crafted(sum.get(), u1.get(), u2.get());
  EXPECT_LT(BN_num_bits(crafted.r.get()), 200);
  EXPECT_TRUE(judges.good(crafted.digest(), crafted.der()));
  // x itself is no r.
  EXPECT_FALSE(judges.good(crafted.digest(), der_of(x.get(), crafted.s.get())));
}

/// Keys that are small multiples of the generator, or of its negative: both halves of the sum can meet.
TEST(EcdsaTable, AddsPointsThatAreEqualOrOpposite) {
  const Curve& c = curve();
  for (BN_ULONG multiple : {1U, 2U, 3U, 7U}) {
    for (bool negative : {false, true}) {
      const OwnedBignum d = negative ? c.minus(small(multiple).get()) : small(multiple);
      const OwnedPoint point = c.combined(d.get(), nullptr, nullptr);
      const Judges judges{key_at(point.get())};
      const OwnedBignum u2 = small(1234567);
      const OwnedBignum u1 = c.times(u2.get(), d.get());  // u1 × generator = u2 × key
      const OwnedPoint doubled = c.combined(u1.get(), point.get(), u2.get());
      const Crafted equal(doubled.get(), u1.get(), u2.get());
      EXPECT_TRUE(judges.good(equal.digest(), equal.der()));
      // u1 × generator = −u2 × key: the point at infinity, which has no x; whatever r is, it is refused.
      for (BN_ULONG r : {1U, 5U, 1000U}) {
        const OwnedBignum s = c.times(small(r).get(), c.inverse(u2.get()).get());
        const OwnedBignum e = c.times(c.minus(u1.get()).get(), s.get());
        EXPECT_FALSE(judges.good(c.digest(e.get()), der_of(small(r).get(), s.get())));
      }
      // The key's half alone: u1 = 0.
      const OwnedPoint alone = c.combined(small(0).get(), point.get(), u2.get());
      const Crafted no_digest(alone.get(), small(0).get(), u2.get());
      EXPECT_EQ(no_digest.digest(), HashBytes{});
      EXPECT_TRUE(judges.good(no_digest.digest(), no_digest.der()));
    }
  }
}

TEST(EcdsaTable, ScalarsOfAllSizesComeOutRight) {
  const Curve& c = curve();
  const OwnedEcKey key = new_key();
  const Judges judges{key_at(EC_KEY_get0_public_key(key.get()))};
  std::vector<OwnedBignum> scalars;
  for (int bit = 0; bit < 256; bit += 15) {  // windows of the table are 7 bits wide
    OwnedBignum power(BN_new());
    BN_set_bit(power.get(), bit);
    OwnedBignum before = copy(power.get());
    BN_sub_word(before.get(), 1);
    for (OwnedBignum* scalar : {&power, &before}) {
      if (BN_is_zero(scalar->get()) != 0 || BN_cmp(scalar->get(), c.n) >= 0) continue;
      scalars.push_back(c.minus(scalar->get()));
      scalars.push_back(std::move(*scalar));
    }
  }
  for (size_t at = 0; at < scalars.size(); ++at) {
    const BIGNUM* u1 = scalars[at].get();
    const BIGNUM* u2 = scalars[(at * 5 + 3) % scalars.size()].get();
    const OwnedPoint sum = c.combined(u1, EC_KEY_get0_public_key(key.get()), u2);
    const Crafted crafted(sum.get(), u1, u2);
    EXPECT_TRUE(judges.good(crafted.digest(), crafted.der())) << at;
  }
}

TEST(EcdsaTable, IsOfP256Only) {
  EXPECT_EQ(EcdsaTable::of(nullptr), nullptr);
  for (int nid : {NID_secp384r1, NID_secp256k1}) EXPECT_EQ(table_of(new_key(nid).get()), nullptr);
  OwnedKey edwards(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  EXPECT_EQ(EcdsaTable::of(edwards.get()), nullptr);
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(EcdsaTable, IsSharedWhileItIsInUse) {
  const OwnedEcKey key = new_key();
  auto first = table_of(key.get());
  EXPECT_EQ(table_of(key.get()), first);
  EXPECT_NE(table_of(new_key().get()), first);
  std::weak_ptr<const EcdsaTable> watch = first;
  first.reset();
  EXPECT_TRUE(watch.expired());
  EXPECT_TRUE(table_of(key.get()));
}

}  // namespace
}  // namespace culvert::crypto
