// EC_GROUP_precompute_mult() and EC_POINT_get_Jprojective_coordinates_GFp(), which have no successors.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "control/crypto/ecdsa_table.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <mutex>
#include <string_view>

#include "control/crypto/inverse.h"
#include "control/crypto/openssl.h"

namespace culvert::crypto {
namespace {

using OwnedBnCtx = Owned<BN_CTX, BN_CTX_free>;
using OwnedGroup = Owned<EC_GROUP, EC_GROUP_free>;
using OwnedPoint = Owned<EC_POINT, EC_POINT_free>;
using OwnedSignature = Owned<ECDSA_SIG, ECDSA_SIG_free>;

constexpr size_t kPointSize = 65;  // P-256, uncompressed (SEC 1, section 2.3.3)
using Point = std::array<uint8_t, kPointSize>;

/// Errors of what is done in its scope are forgotten, those of before are kept.
class ErrorScope {
 public:
  ErrorScope() { ERR_set_mark(); }
  ~ErrorScope() { ERR_pop_to_mark(); }
  ErrorScope(const ErrorScope&) = delete;
  ErrorScope& operator=(const ErrorScope&) = delete;
};

bool point_of(EVP_PKEY* key, Point& point) {
  std::array<char, 32> curve{};
  size_t size = 0;
  if (key == nullptr || EVP_PKEY_is_a(key, "EC") != 1 ||
      EVP_PKEY_get_group_name(key, curve.data(), curve.size(), &size) != 1 ||
      std::string_view(curve.data()) != SN_X9_62_prime256v1)
    return false;
  return EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size(), &size) == 1 &&
         size == point.size();
}

/// As ECDSA_verify() reads it: what does not come out the same again is no DER, or has something behind it.
OwnedSignature read_signature(std::span<const uint8_t> der) {
  if (der.size() > std::numeric_limits<int>::max()) return nullptr;
  const unsigned char* at = der.data();
  OwnedSignature signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  unsigned char* again = nullptr;
  const int size = signature ? i2d_ECDSA_SIG(signature.get(), &again) : -1;
  const bool same = size >= 0 && std::ranges::equal(std::span(again, static_cast<size_t>(size)), der);
  OPENSSL_free(again);
  return same ? std::move(signature) : nullptr;
}

bool in_range(const BIGNUM* number, const BIGNUM* order) {
  return BN_is_zero(number) == 0 && BN_is_negative(number) == 0 && BN_ucmp(number, order) < 0;
}

}  // namespace

/// P-256 twice: as it is, and with the key's point for its generator.
struct EcdsaTable::Curves {
  OwnedGroup plain;
  OwnedGroup of_key;

  static std::unique_ptr<const Curves> make(const Point& point) {
    auto made = std::make_unique<Curves>();
    made->plain.reset(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1));
    const EC_GROUP* plain = made->plain.get();
    if (plain == nullptr) return nullptr;
    made->of_key.reset(EC_GROUP_dup(plain));
    OwnedPoint key(EC_POINT_new(plain));
    // A point from outside: must be on the curve, which oct2point checks. Then it has the curve's order, a prime.
    if (!made->of_key || !key || EC_POINT_oct2point(plain, key.get(), point.data(), point.size(), nullptr) != 1 ||
        EC_POINT_is_at_infinity(plain, key.get()) != 0 ||
        EC_GROUP_set_generator(made->of_key.get(), key.get(), EC_GROUP_get0_order(plain),
                               EC_GROUP_get0_cofactor(plain)) != 1 ||
        EC_GROUP_precompute_mult(made->of_key.get(), nullptr) != 1)
      return nullptr;
    return made;
  }

  /// Is r the x coordinate of u1 × generator + u2 × key, modulo the order? r is below the order.
  bool sum_has(const BIGNUM* r, const BIGNUM* u1, const BIGNUM* u2, BN_CTX* work) const {
    OwnedPoint sum(EC_POINT_new(plain.get()));
    OwnedPoint other(EC_POINT_new(of_key.get()));
    OwnedBignum x(BN_new());
    OwnedBignum z(BN_new());
    OwnedBignum wanted(BN_dup(r));
    const BIGNUM* prime = EC_GROUP_get0_field(plain.get());
    if (!sum || !other || !x || !z || !wanted ||
        EC_POINT_mul(plain.get(), sum.get(), u1, nullptr, nullptr, work) != 1 ||
        EC_POINT_mul(of_key.get(), other.get(), u2, nullptr, nullptr, work) != 1 ||
        EC_POINT_add(plain.get(), sum.get(), sum.get(), other.get(), work) != 1 ||
        EC_POINT_is_at_infinity(plain.get(), sum.get()) != 0 ||  // it belongs to no signature
        EC_POINT_get_Jprojective_coordinates_GFp(plain.get(), sum.get(), x.get(), nullptr, z.get(), work) != 1)
      return false;
    // The coordinate is x / z², and z² is not zero: multiplied, instead of divided, which takes longer.
    OwnedBignum product(BN_new());
    const auto is_wanted = [&] {
      return BN_mod_mul(product.get(), wanted.get(), z.get(), prime, work) == 1 && BN_cmp(product.get(), x.get()) == 0;
    };
    if (!product || BN_mod_sqr(z.get(), z.get(), prime, work) != 1) return false;
    if (is_wanted()) return true;
    // The prime lies above the order, by less than the order: the coordinate may be r + order.
    return BN_add(wanted.get(), wanted.get(), EC_GROUP_get0_order(plain.get())) == 1 &&
           BN_cmp(wanted.get(), prime) < 0 && is_wanted();
  }
};

EcdsaTable::EcdsaTable(std::unique_ptr<const Curves> curves) : curves_(std::move(curves)) {}
EcdsaTable::~EcdsaTable() = default;

std::shared_ptr<const EcdsaTable> EcdsaTable::of(EVP_PKEY* key) {
  static std::map<Point, std::weak_ptr<const EcdsaTable>> tables;
  static std::mutex mutex;
  const ErrorScope errors;
  Point point{};
  if (!point_of(key, point)) return nullptr;
  const std::lock_guard lock(mutex);
  std::erase_if(tables, [](const auto& entry) { return entry.second.expired(); });
  if (const auto found = tables.find(point); found != tables.end())
    if (auto table = found->second.lock()) return table;
  auto curves = Curves::make(point);
  if (!curves) return nullptr;
  std::shared_ptr<const EcdsaTable> made(new EcdsaTable(std::move(curves)));
  tables[point] = made;
  return made;
}

bool EcdsaTable::verifies(std::span<const uint8_t, 32> digest, std::span<const uint8_t> signature) const {
  const ErrorScope errors;
  const OwnedSignature read = read_signature(signature);
  OwnedBnCtx work(BN_CTX_new());
  if (!read || !work) return false;
  const BIGNUM* order = EC_GROUP_get0_order(curves_->plain.get());
  const BIGNUM* r = ECDSA_SIG_get0_r(read.get());
  const BIGNUM* s = ECDSA_SIG_get0_s(read.get());
  if (!in_range(r, order) || !in_range(s, order)) return false;
  OwnedBignum e(BN_bin2bn(digest.data(), digest.size(), nullptr));
  OwnedBignum w = inverse_of_public(s, order);
  OwnedBignum u1(BN_new());
  OwnedBignum u2(BN_new());
  return e && w && u1 && u2 && BN_mod_mul(u1.get(), e.get(), w.get(), order, work.get()) == 1 &&
         BN_mod_mul(u2.get(), r, w.get(), order, work.get()) == 1 &&
         curves_->sum_has(r, u1.get(), u2.get(), work.get());
}

}  // namespace culvert::crypto
