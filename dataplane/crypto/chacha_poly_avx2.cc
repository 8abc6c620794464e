// CHACHA20-POLY1305 in lanes, on AVX2.
#include "dataplane/crypto/poly1305_avx2.h"
// Behind what chooses the lanes:
#include "dataplane/crypto/chacha_poly.h"
#include "dataplane/crypto/chacha_poly_unit.h"

namespace culvert::aead {

bool chacha_poly_avx2_supported() {
  return __builtin_cpu_supports("avx2");  // looks at what the operating system saves, too
}

void chacha_poly_seal_avx2(std::span<Job> jobs) {
  lanes::avx2::all<true>(jobs);
}

void chacha_poly_open_avx2(std::span<Job> jobs) {
  lanes::avx2::all<false>(jobs);
}

}  // namespace culvert::aead
