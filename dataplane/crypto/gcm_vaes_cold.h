// Keys of AES-256-GCM expanded again for one burst, four in the lanes of a vector: some twenty cycles a key for small
// packets, where the lines that were expanded when the key was installed cost as much each when they come out of
// memory.
#pragma once

#include "dataplane/crypto/aead.h"

namespace culvert::aead {

/// Room for a burst's keys; small enough that what a burst of sixteen writes there stays in the first cache. Bytes of
/// the last bursts' keys stand here until others are written over them, and are wiped with the engine: they are the
/// process's live keys, which it has expanded in its key slots as well; a key that is removed may stay here until the
/// next bursts. Like those slots it is kept out of core dumps and swap.
class alignas(4096) ColdKeys {
 public:
  ColdKeys();
  ~ColdKeys();
  ColdKeys(const ColdKeys&) = delete;
  ColdKeys& operator=(const ColdKeys&) = delete;

  /// As Engine::expand_cold, for CPUs on which gcm_vaes_supported() said yes.
  void expand(std::span<const ColdJob> jobs);

 private:
  std::array<Key, Engine::kMostCold> keys_{};
};

}  // namespace culvert::aead
