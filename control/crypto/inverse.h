// Inverses of public numbers. Inside this folder only.
#pragma once

#include <openssl/bn.h>

#include "control/crypto/openssl.h"

namespace culvert::crypto {

/// 1 / number modulo `modulus`, which must be odd and below 2^256; `number` is between 1 and modulus - 1. In time that
/// depends on `number`, which therefore must be no secret; a third of the instructions of a power by Fermat's theorem,
/// which takes OpenSSL two thirds of the time of BN_mod_inverse(). Null: no inverse, numbers out of range, or memory is
/// short.
OwnedBignum inverse_of_public(const BIGNUM* number, const BIGNUM* modulus);

}  // namespace culvert::crypto
