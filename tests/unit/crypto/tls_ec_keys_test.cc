// EC keys in the library context of TLS: the same keys as OpenSSL's own context has, and no other points.
#include "control/crypto/tls_ec_keys.h"

#include <gtest/gtest.h>
#include <openssl/core_names.h>

#include <algorithm>
#include <array>
#include <vector>

#include "control/crypto/openssl.h"
#include "control/crypto/tls_library.h"

namespace culvert::crypto {
namespace {

using Octets = std::vector<uint8_t>;
using OwnedGroup = Owned<EC_GROUP, EC_GROUP_free>;
using OwnedPoint = Owned<EC_POINT, EC_POINT_free>;

constexpr std::array kCurves = {"prime256v1", "secp384r1", "secp521r1"};
constexpr std::array kOtherCurves = {"secp256k1", "brainpoolP256r1", "prime192v1"};

OwnedKey make_key(OSSL_LIB_CTX* library, const char* curve) {
  OwnedKeyCtx context(EVP_PKEY_CTX_new_from_name(library, "EC", nullptr));
  EVP_PKEY* key = nullptr;
  EXPECT_EQ(EVP_PKEY_keygen_init(context.get()), 1);
  EXPECT_EQ(EVP_PKEY_CTX_set_group_name(context.get(), curve), 1);
  EXPECT_EQ(EVP_PKEY_keygen(context.get(), &key), 1);
  return OwnedKey(key);
}

Octets point_of(EVP_PKEY* key) {
  unsigned char* encoded = nullptr;
  const size_t size = EVP_PKEY_get1_encoded_public_key(key, &encoded);
  Octets point(encoded, encoded + size);
  OPENSSL_free(encoded);
  return point;
}

Octets info_of(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  Octets info(der, der + std::max(size, 0));
  OPENSSL_free(der);
  return info;
}

OwnedKey read_info(OSSL_LIB_CTX* library, const Octets& info) {
  const unsigned char* at = info.data();
  OwnedKey key(d2i_PUBKEY_ex(nullptr, &at, static_cast<long>(info.size()), library, nullptr));
  ERR_clear_error();
  return key;
}

/// A peer's key as libssl makes it from a key share: parameters of the group first, then the point. Null: refused.
OwnedKey peer_key(OSSL_LIB_CTX* library, const char* curve, const Octets& point) {
  OwnedKeyCtx context(EVP_PKEY_CTX_new_from_name(library, "EC", nullptr));
  EVP_PKEY* made = nullptr;
  EXPECT_EQ(EVP_PKEY_paramgen_init(context.get()), 1);
  EXPECT_EQ(EVP_PKEY_CTX_set_group_name(context.get(), curve), 1);
  EXPECT_EQ(EVP_PKEY_paramgen(context.get(), &made), 1);
  OwnedKey key(made);
  if (EVP_PKEY_set1_encoded_public_key(key.get(), point.data(), point.size()) != 1) key.reset();
  ERR_clear_error();
  return key;
}

/// The secret between `own` and `peer`; empty when the peer's key is refused.
Octets secret(OSSL_LIB_CTX* library, EVP_PKEY* own, EVP_PKEY* peer) {
  OwnedKeyCtx context(EVP_PKEY_CTX_new_from_pkey(library, own, nullptr));
  size_t size = 0;
  Octets out(100);
  size = out.size();
  if (peer == nullptr || EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), peer) != 1 || EVP_PKEY_derive(context.get(), out.data(), &size) != 1)
    size = 0;
  ERR_clear_error();
  out.resize(size);
  return out;
}

Octets agree(OSSL_LIB_CTX* library, const char* curve, EVP_PKEY* own, const Octets& point) {
  return secret(library, own, peer_key(library, curve, point).get());
}

TEST(TlsEcKeys, AgreeWithThoseOfTheDefaultContext) {
  ASSERT_NE(tls_library(), nullptr);
  for (const auto* curves : {&kCurves, &kOtherCurves})
    for (const char* curve : *curves) {
      OwnedKey ours = make_key(tls_library(), curve);
      OwnedKey theirs = make_key(nullptr, curve);
      const Octets here = agree(tls_library(), curve, ours.get(), point_of(theirs.get()));
      EXPECT_FALSE(here.empty()) << curve;
      EXPECT_EQ(here, agree(nullptr, curve, theirs.get(), point_of(ours.get()))) << curve;
      EXPECT_NE(point_of(ours.get()), point_of(make_key(tls_library(), curve).get())) << curve;
    }
}

TEST(TlsEcKeys, ThePointAtInfinityIsRefused) {
  for (const char* curve : kCurves) {
    OwnedKey own = make_key(tls_library(), curve);
    EXPECT_TRUE(agree(tls_library(), curve, own.get(), {0}).empty()) << curve;
    OwnedKey peer = peer_key(tls_library(), curve, {0});
    if (!peer) continue;  // refused when it was set
    OwnedKeyCtx context(EVP_PKEY_CTX_new_from_pkey(tls_library(), peer.get(), nullptr));
    EXPECT_NE(EVP_PKEY_public_check(context.get()), 1) << curve;
    ERR_clear_error();
  }
}

/// A point of the curve with a small x, so that x plus the prime still fits into the bytes of a coordinate.
/// `add_prime`: with that sum in the place of x.
Octets small_point(const char* curve, bool add_prime) {
  OwnedGroup group(EC_GROUP_new_by_curve_name(OBJ_sn2nid(curve)));
  OwnedBignum prime(BN_new());
  OwnedBignum x(BN_new());
  OwnedBignum y(BN_new());
  OwnedPoint point(EC_POINT_new(group.get()));
  EC_GROUP_get_curve(group.get(), prime.get(), nullptr, nullptr, nullptr);
  for (BN_ULONG small = 1;; ++small) {
    BN_set_word(x.get(), small);
    if (EC_POINT_set_compressed_coordinates(group.get(), point.get(), x.get(), 0, nullptr) == 1) break;
  }
  ERR_clear_error();
  EC_POINT_get_affine_coordinates(group.get(), point.get(), x.get(), y.get(), nullptr);
  if (add_prime) BN_add(x.get(), x.get(), prime.get());
  const int size = (EC_GROUP_get_degree(group.get()) + 7) / 8;
  Octets encoded(1 + 2 * static_cast<size_t>(size), 4);
  EXPECT_EQ(BN_bn2binpad(x.get(), encoded.data() + 1, size), size);
  EXPECT_EQ(BN_bn2binpad(y.get(), encoded.data() + 1 + size, size), size);
  return encoded;
}

TEST(TlsEcKeys, ACoordinateMustBeBelowThePrime) {
  for (const char* curve : kCurves) {
    OwnedKey own = make_key(tls_library(), curve);
    EXPECT_FALSE(agree(tls_library(), curve, own.get(), small_point(curve, false)).empty()) << curve;
    EXPECT_TRUE(agree(tls_library(), curve, own.get(), small_point(curve, true)).empty()) << curve;
  }
}

TEST(TlsEcKeys, APointBesideTheCurveIsRefused) {
  for (const char* curve : kCurves) {
    OwnedKey own = make_key(tls_library(), curve);
    const Octets point = point_of(make_key(tls_library(), curve).get());
    for (size_t at = 0; at < point.size(); at += 8) {
      Octets wrong = point;
      wrong[at] ^= at == 0 ? 1 : 0x10;  // the first byte: 5 is no form of a point
      EXPECT_TRUE(agree(tls_library(), curve, own.get(), wrong).empty()) << curve << " byte " << at;
    }
    Octets shorter = point;
    shorter.pop_back();
    EXPECT_TRUE(agree(tls_library(), curve, own.get(), shorter).empty()) << curve;
  }
}

TEST(TlsEcKeys, TheCurveOfAKeyIsTheOneThatWasAskedFor) {
  for (const auto* curves : {&kCurves, &kOtherCurves})
    for (const char* curve : *curves) {
      std::array<char, 32> name{};
      EXPECT_EQ(EVP_PKEY_get_group_name(make_key(tls_library(), curve).get(), name.data(), name.size(), nullptr), 1);
      EXPECT_STREQ(name.data(), curve);
    }
}

/// Both contexts must take, or refuse, the same bytes, and see the same key in them.
void expect_same_key(const Octets& info, const std::string& what) {
  OwnedKey ours = read_info(tls_library(), info);
  OwnedKey theirs = read_info(nullptr, info);
  EXPECT_EQ(ours != nullptr, theirs != nullptr) << what;
  if (!ours || !theirs) return;
  EXPECT_EQ(EVP_PKEY_eq(ours.get(), theirs.get()), 1) << what;
  EXPECT_EQ(point_of(ours.get()), point_of(theirs.get())) << what;
}

TEST(TlsEcKeys, AreReadFromCertificatesAsInTheDefaultContext) {
  for (const auto* curves : {&kCurves, &kOtherCurves})
    for (const char* curve : *curves) {
      OwnedKey key = make_key(nullptr, curve);
      const Octets info = info_of(key.get());
      EXPECT_TRUE(read_info(tls_library(), info)) << curve;
      expect_same_key(info, curve);
      for (size_t at = 0; at < info.size(); ++at) {
        Octets wrong = info;
        wrong[at] ^= 1;
        expect_same_key(wrong, std::string(curve) + " byte " + std::to_string(at));
        expect_same_key(Octets(info.begin(), info.begin() + static_cast<std::ptrdiff_t>(at)),
                        std::string(curve) + " cut at " + std::to_string(at));
      }
      EVP_PKEY_set_utf8_string_param(key.get(), OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "compressed");
      expect_same_key(info_of(key.get()), std::string(curve) + " compressed");
    }
}

TEST(TlsEcKeys, ReadFromCertificatesOnlyTheUsualForm) {
  for (const char* curve : kCurves) {
    OwnedKey key = make_key(nullptr, curve);
    const Octets info = info_of(key.get());
    void* read = read_ec_key(info);
    EXPECT_NE(read, nullptr) << curve;
    free_ec_key(read);
    Octets longer = info;
    longer.push_back(0);
    EXPECT_EQ(read_ec_key(longer), nullptr) << curve;
    Octets wrong = info;
    wrong.back() ^= 1;
    EXPECT_EQ(read_ec_key(wrong), nullptr) << curve;
    EXPECT_LE(info.size(), kMaxEcKeyInfo);
  }
  EXPECT_EQ(read_ec_key(info_of(make_key(nullptr, "secp256k1").get())), nullptr);
  EXPECT_EQ(read_ec_key({}), nullptr);
}

TEST(TlsEcKeys, OfCertificatesVerifySignatures) {
  for (const char* curve : kCurves) {
    OwnedKey key = make_key(nullptr, curve);
    OwnedKey read = read_info(tls_library(), info_of(key.get()));
    const Octets message(100, 7);
    Octets signature(200);
    size_t size = signature.size();
    Owned<EVP_MD_CTX, EVP_MD_CTX_free> signing(EVP_MD_CTX_new());
    ASSERT_EQ(EVP_DigestSignInit_ex(signing.get(), nullptr, "SHA256", nullptr, nullptr, key.get(), nullptr), 1);
    ASSERT_EQ(EVP_DigestSign(signing.get(), signature.data(), &size, message.data(), message.size()), 1);
    const auto verify = [&](const Octets& text) {
      Owned<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
      EXPECT_EQ(EVP_DigestVerifyInit_ex(context.get(), nullptr, "SHA256", tls_library(), nullptr, read.get(), nullptr),
                1);
      return EVP_DigestVerify(context.get(), signature.data(), size, text.data(), text.size());
    };
    EXPECT_EQ(verify(message), 1) << curve;
    EXPECT_NE(verify(Octets(100, 8)), 1) << curve;
    ERR_clear_error();
  }
}

}  // namespace
}  // namespace culvert::crypto
