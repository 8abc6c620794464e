#include "control/crypto/inverse.h"

#include <immintrin.h>

#include <array>
#include <bit>
#include <cstdint>
#include <utility>

namespace culvert::crypto {
namespace {

constexpr int kLimbs = 4;
constexpr int kBytes = 32;
using Wide = unsigned __int128;

/// Below 2^256, its lowest 64 bits first.
struct Number {
  std::array<unsigned long long, kLimbs> limbs{};

  bool is_odd() const { return (limbs[0] & 1) != 0; }
  bool is_zero() const { return (limbs[0] | limbs[1] | limbs[2] | limbs[3]) == 0; }
  bool operator==(const Number&) const = default;
};

/// a -= b; is a below zero then, and so 2^256 too large?
bool subtract(Number& a, const Number& b) {
  unsigned char borrow = 0;
#pragma GCC unroll 4
  for (int limb = 0; limb < kLimbs; ++limb)
    borrow = _subborrow_u64(borrow, a.limbs[limb], b.limbs[limb], &a.limbs[limb]);
  return borrow != 0;
}

/// a += b, modulo 2^256.
void add(Number& a, const Number& b) {
  unsigned char carry = 0;
#pragma GCC unroll 4
  for (int limb = 0; limb < kLimbs; ++limb) carry = _addcarry_u64(carry, a.limbs[limb], b.limbs[limb], &a.limbs[limb]);
}

/// a = (a + b × factor) / 2^bits, for 1 to 63 bits, and a factor below 2^bits. The result must be below 2^256.
void add_and_shift(Number& a, const Number& b, uint64_t factor, int bits) {
  Wide carry = 0;
  uint64_t below = 0;
#pragma GCC unroll 4
  for (int limb = 0; limb < kLimbs; ++limb) {
    carry += Wide{b.limbs[limb]} * factor + a.limbs[limb];
    const auto sum = static_cast<uint64_t>(carry);
    if (limb > 0) a.limbs[limb - 1] = below >> bits | sum << (64 - bits);
    below = sum;
    carry >>= 64;
  }
  a.limbs[kLimbs - 1] = below >> bits | static_cast<uint64_t>(carry) << (64 - bits);
}

/// An odd number, and minus its inverse modulo 2^64 (Montgomery's constant).
struct Modulus {
  Number number;
  uint64_t constant;

  explicit Modulus(const Number& odd) : number(odd), constant(1) {
    // Newton's iteration doubles the bits that are right: of an odd number's inverse, 1 has the lowest right.
    for (int right = 1; right < 64; right *= 2) constant *= 2 - odd.limbs[0] * constant;
    constant = -constant;
  }
};

/// A number and a factor below the modulus: number ≡ factor × what is to be inverted.
struct Multiple {
  Number number;
  Number factor;

  /// The number is not zero.
  void halve_while_even(const Modulus& modulus) {
    while (!number.is_odd()) {
      const int bits = number.limbs[0] == 0 ? 63 : std::countr_zero(number.limbs[0]);
      add_and_shift(number, {}, 0, bits);
      // As many times the modulus as make it divisible, too.
      const uint64_t times = factor.limbs[0] * modulus.constant & ((uint64_t{1} << bits) - 1);
      add_and_shift(factor, modulus.number, times, bits);
    }
  }
};

bool read(const BIGNUM* from, Number& to) {
  std::array<uint8_t, kBytes> bytes{};
  if (BN_is_negative(from) != 0 || BN_bn2lebinpad(from, bytes.data(), kBytes) != kBytes) return false;
  for (int at = 0; at < kBytes; ++at) to.limbs[at / 8] |= uint64_t{bytes[at]} << (at % 8 * 8);
  return true;
}

OwnedBignum write(const Number& from) {
  std::array<uint8_t, kBytes> bytes{};
  for (int at = 0; at < kBytes; ++at) bytes[at] = static_cast<uint8_t>(from.limbs[at / 8] >> (at % 8 * 8));
  return OwnedBignum(BN_lebin2bn(bytes.data(), kBytes, nullptr));
}

}  // namespace

/// Of two odd numbers the larger becomes their difference, which is halved until it is odd again; when they are the
/// same, that is their greatest common divisor (Knuth, The Art of Computer Programming, volume 2, section 4.5.2,
/// algorithm B).
OwnedBignum inverse_of_public(const BIGNUM* number, const BIGNUM* modulus) {
  Number odd;
  Multiple a;
  if (!read(modulus, odd) || !odd.is_odd() || !read(number, a.number)) return nullptr;
  if (BN_is_zero(number) != 0 || BN_ucmp(number, modulus) >= 0) return nullptr;
  const Number one{{1, 0, 0, 0}};
  const Modulus below(odd);
  a.factor = one;
  a.halve_while_even(below);
  Multiple b{odd, {}};
  for (;;) {
    Number difference = a.number;
    if (subtract(difference, b.number)) {
      std::swap(a, b);
      difference = a.number;
      subtract(difference, b.number);
    }
    if (difference.is_zero()) break;
    a.number = difference;
    if (subtract(a.factor, b.factor)) add(a.factor, odd);
    a.halve_while_even(below);
  }
  return a.number == one ? write(a.factor) : nullptr;
}

}  // namespace culvert::crypto
