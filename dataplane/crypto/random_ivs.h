// Initialization vectors for CBC, which must be unpredictable for who sees the ones before: AES-256 in counter mode
// under a random key. Each refill takes a new key out of its own output, so that what is in memory now tells nothing of
// the IVs that were used (fast key erasure, Bernstein 2017).
#pragma once

#include <intel-ipsec-mb.h>

#include <array>
#include <cstdint>

#include "dataplane/crypto/aead.h"

namespace culvert::aead {

class RandomIvs {
 public:
  /// `manager` outlives this and has no jobs under way when take() is called.
  explicit RandomIvs(IMB_MGR* manager) : manager_(manager) {}
  ~RandomIvs();
  RandomIvs(const RandomIvs&) = delete;
  RandomIvs& operator=(const RandomIvs&) = delete;

  /// Takes the first key from the kernel. False: it gave none.
  [[nodiscard]] bool start();
  /// Writes an IV of kIvSize bytes.
  void take(uint8_t* iv);

 private:
  static constexpr size_t kIvs = 128;
  static constexpr size_t kKeySize = 32;

  void refill();

  IMB_MGR* manager_;
  size_t left_ = 0;
  std::array<uint8_t, kKeySize> key_{};
  alignas(64) std::array<uint8_t, kKeySize + kIvs * kIvSize> stream_{};
};

}  // namespace culvert::aead
