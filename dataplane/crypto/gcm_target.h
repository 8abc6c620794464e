// Compiling AES-GCM for one kind of vector, function by function, so that the rest of the program runs on other CPUs.
// gcm_vectors_vaes256.h and gcm_vectors_aesni.h say which: CULVERT_GCM_TARGET, CULVERT_GCM_NAMESPACE.
#pragma once

#define CULVERT_GCM __attribute__((target(CULVERT_GCM_TARGET)))
#define CULVERT_GCM_INLINE CULVERT_GCM inline __attribute__((always_inline))
// Vectors live in arrays that must become registers, at every optimisation level that optimises.
#define CULVERT_GCM_UNROLL _Pragma("GCC unroll 16")
#define CULVERT_GCM_LAMBDA __attribute__((target(CULVERT_GCM_TARGET), always_inline))
// The public functions of a variant.
#define CULVERT_GCM_EACH(rounds, function, ...)                \
  switch (rounds) {                                            \
    case AesRounds::k10:                                       \
      return CULVERT_GCM_NAMESPACE::function<10>(__VA_ARGS__); \
    case AesRounds::k12:                                       \
      return CULVERT_GCM_NAMESPACE::function<12>(__VA_ARGS__); \
    case AesRounds::k14:                                       \
      return CULVERT_GCM_NAMESPACE::function<14>(__VA_ARGS__); \
  }
