// AES-GCM for CPUs without AVX-512: as gcm_vaes.h, on vectors of two blocks (VAES) or of one (AES-NI).
#pragma once

#include "dataplane/crypto/gcm_vaes.h"

namespace culvert::aead {

// True when this CPU (and the operating system's state saving) has all that the functions below use.
bool gcm_vaes256_supported();
bool gcm_aesni_supported();

// As gcm_vaes_expand, gcm_vaes_seal and gcm_vaes_open. The expanded keys are the same.
void gcm_vaes256_expand(AesRounds rounds, GcmVaesKey& key);
void gcm_vaes256_seal(AesRounds rounds, std::span<Job> jobs);
void gcm_vaes256_open(AesRounds rounds, std::span<Job> jobs);
void gcm_aesni_expand(AesRounds rounds, GcmVaesKey& key);
void gcm_aesni_seal(AesRounds rounds, std::span<Job> jobs);
void gcm_aesni_open(AesRounds rounds, std::span<Job> jobs);

}  // namespace culvert::aead
