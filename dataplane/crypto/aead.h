// Authenticated encryption in bursts, in place. What a burst holds may be of different sessions, keys and ciphers, so
// that an implementation may work on several packets at once. AES-CBC with HMAC authenticates as well, so it goes
// through the same jobs.
#pragma once

#include <intel-ipsec-mb.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/abi/command.h"
#include "dataplane/crypto/gcm_vaes.h"

namespace culvert::aead {

inline constexpr size_t kTagSize = 16;
inline constexpr size_t kNonceSize = 12;
inline constexpr size_t kIvSize = 16;     ///< CBC: one block of AES
inline constexpr size_t kMaxCbcTag = 64;  ///< largest digest

/// Expanded key of AES-CBC with HMAC.
struct CbcKey {
  alignas(16) std::array<uint32_t, 60> encrypt;
  alignas(16) std::array<uint32_t, 60> decrypt;
  alignas(16) std::array<uint8_t, kMaxCbcTag> inner;  ///< state of the digest after the key's first block
  alignas(16) std::array<uint8_t, kMaxCbcTag> outer;
  uint8_t key_size;  ///< bytes: 16, 24, 32
  uint8_t tag_size;  ///< bytes of the digest
  abi::Digest digest;
};

/// Key of CHACHA20-POLY1305, at the end of a Key, where prefetch() looks for it.
struct ChachaKey {
  std::array<uint8_t, sizeof(GcmVaesKey) - 32> unused;
  std::array<uint8_t, 32> bytes;
};

/// Expanded key of one direction, as the ciphers read it for every packet: fill it with Engine::expand, clear it with
/// wipe().
struct alignas(64) Key {
  union {
    gcm_key_data gcm;
    GcmVaesKey gcm_vaes;
    CbcKey cbc;
    ChachaKey chacha;
  };
};
static_assert(sizeof(Key) == sizeof(GcmVaesKey), "both end with what prefetch() fetches");

/// What a key of AES-256-GCM is expanded from again (Engine::expand_cold): one cache line instead of the seven to
/// sixteen that a packet reads of a Key, for sessions so many that nothing of them is in the caches. As secret as a
/// Key.
struct CompactKey {
  alignas(16) std::array<uint8_t, 32> bytes;
  alignas(16) std::array<uint8_t, 16> hash_key;  ///< H, as in GcmVaesKey::powers
};

/// Brings into the cache what every packet needs of a key, its last lines: the low hash powers and the round keys (the
/// whole key of ChaCha20). In order of address, because the CPU gets adjacent lines faster than scattered ones. Longer
/// packets need more powers, which are the engine's to fetch; CBC and the GCM of ipsec-mb, which only CPUs without AVX2
/// use, find their keys themselves. (Not inlined, it would be no more than nothing: GCC takes a function that only
/// prefetches for one without effect.)
[[gnu::always_inline]] inline void prefetch(const Key& key) {
  constexpr size_t kLine = 64, kPower = 16;
  constexpr size_t kSmall = sizeof(GcmVaesKey::round) + 9 * kPower;  // the line of H^6, which 64 bytes need
  static_assert(kSmall % kLine == 0);
  const char* end = reinterpret_cast<const char*>(&key + 1);
#pragma GCC unroll 8
  for (size_t line = kSmall / kLine; line > 0; --line) __builtin_prefetch(end - line * kLine);
}

/// One packet to seal or open. `text` is replaced in place.
///
/// CBC: `length` is a multiple of 16; the 16 bytes in front of `text` are the IV, which seal makes up and open reads;
/// the tag authenticates IV and ciphertext and has CbcKey::tag_size bytes; `aad` and `nonce` are not used. Padding is
/// the caller's.
struct Job {
  const Key* key;
  uint8_t* text;
  const uint8_t* aad;
  uint8_t* tag;  ///< kTagSize bytes: written by seal, compared by open
  uint32_t length;
  abi::Cipher cipher;
  uint8_t aad_length;
  bool authentic;  ///< result of open; when false, `text` holds nothing that may be used
  alignas(8) std::array<uint8_t, kNonceSize> nonce;
};

/// A job under a key of which nothing is in the caches but its compact form.
struct ColdJob {
  Job* job;
  const CompactKey* key;
};

class Engine {
 public:
  static constexpr size_t kMostCold = 64;  ///< jobs of one expand_cold()

  virtual ~Engine() = default;

  /// Expands `bytes` (32; a shorter cipher uses the first ones) into `key`. `cipher` must be one of the AEAD ones.
  virtual void expand(abi::Cipher cipher, const std::array<uint8_t, 32>& bytes, Key& key) = 0;
  /// Likewise for a cipher of CBC: `from` holds the keys of cipher and HMAC, `digest` is not kNone.
  virtual void expand_cbc(abi::Cipher cipher, abi::Digest digest, const abi::DirectionKey& from, Key& key) = 0;
  /// The compact form of `bytes`, which were expanded to `expanded`. False: this engine has no use for one, and then no
  /// ColdJob may be made of this key.
  virtual bool make_compact(abi::Cipher cipher, const std::array<uint8_t, 32>& bytes, const Key& expanded,
                            CompactKey& compact) = 0;
  /// Expands the keys of at most kMostCold jobs, of which `length` is set, as far as packets of their lengths need
  /// them, and points Job::key to what has come of it: until the next call, and for these lengths only.
  virtual void expand_cold(std::span<const ColdJob> jobs) = 0;
  /// HMAC-SHA256 of at most 64 bytes under a key of 32: what keys of epochs are derived with (session/epoch_keys.h).
  virtual void hmac_sha256(const std::array<uint8_t, 32>& key, std::span<const uint8_t> message,
                           std::array<uint8_t, 32>& out) = 0;
  virtual void seal(std::span<Job> jobs) = 0;
  virtual void open(std::span<Job> jobs) = 0;
  /// "AVX512", for the operator.
  virtual const char* name() const = 0;
};

}  // namespace culvert::aead
