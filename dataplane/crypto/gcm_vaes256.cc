// AES-GCM with two blocks to a vector, on AVX2 with VAES and VPCLMULQDQ.
#include <cpuid.h>

#include "dataplane/crypto/gcm_vectors_vaes256.h"
// Behind what chooses the vectors:
#include "dataplane/crypto/gcm_narrow_kernels.h"

namespace culvert::aead {

bool gcm_vaes256_supported() {
  // The compilers' names for features cover AVX2 (and whether the system saves its registers), but not both of these.
  constexpr unsigned kVaes = 1u << 9, kVpclmulqdq = 1u << 10;  // CPUID leaf 7, ECX
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  if ((ecx & kVaes) == 0 || (ecx & kVpclmulqdq) == 0) return false;
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul") &&
         __builtin_cpu_supports("bmi2");
}

void gcm_vaes256_expand(AesRounds rounds, GcmVaesKey& key) {
  CULVERT_GCM_EACH(rounds, fill_powers, key)
}
void gcm_vaes256_seal(AesRounds rounds, std::span<Job> jobs) {
  CULVERT_GCM_EACH(rounds, seal_all, jobs)
}
void gcm_vaes256_open(AesRounds rounds, std::span<Job> jobs) {
  CULVERT_GCM_EACH(rounds, open_all, jobs)
}

}  // namespace culvert::aead
