// AES-GCM with one block to a vector, on AES-NI and PCLMULQDQ; AVX2 for its instructions of three operands.
#include "dataplane/crypto/gcm_vectors_aesni.h"
// Behind what chooses the vectors:
#include "dataplane/crypto/gcm_narrow_kernels.h"

namespace culvert::aead {

bool gcm_aesni_supported() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul") &&
         __builtin_cpu_supports("bmi2");
}

void gcm_aesni_expand(AesRounds rounds, GcmVaesKey& key) {
  CULVERT_GCM_EACH(rounds, fill_powers, key)
}
void gcm_aesni_seal(AesRounds rounds, std::span<Job> jobs) {
  CULVERT_GCM_EACH(rounds, seal_all, jobs)
}
void gcm_aesni_open(AesRounds rounds, std::span<Job> jobs) {
  CULVERT_GCM_EACH(rounds, open_all, jobs)
}

}  // namespace culvert::aead
