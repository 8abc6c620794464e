// CHACHA20-POLY1305 in lanes, on AVX-512 with IFMA.
#include "dataplane/crypto/poly1305_avx512.h"
// Behind what chooses the lanes:
#include "dataplane/crypto/chacha_poly.h"
#include "dataplane/crypto/chacha_poly_unit.h"

namespace culvert::aead {

bool chacha_poly_avx512_supported() {
  // These look at what the operating system saves, too.
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512ifma") && __builtin_cpu_supports("bmi2");
}

void chacha_poly_seal_avx512(std::span<Job> jobs) {
  lanes::avx512::all<true>(jobs);
}

void chacha_poly_open_avx512(std::span<Job> jobs) {
  lanes::avx512::all<false>(jobs);
}

}  // namespace culvert::aead
