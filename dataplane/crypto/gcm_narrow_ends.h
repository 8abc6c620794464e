// The last vector of a text, which may be partial, without masks: compiled for each kind of vector, include one of
// gcm_vectors_*.h first. No byte outside of the text is touched.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "dataplane/crypto/gcm_narrow_ghash.h"

namespace culvert::aead::CULVERT_GCM_NAMESPACE {

/// Copies less than twice kLargest bytes. Without a call, for which every register would have to be saved.
template <uint32_t kLargest>
CULVERT_GCM_INLINE void copy_part(uint8_t* to, const uint8_t* from, uint32_t size) {
  auto some = [&](auto bytes) CULVERT_GCM_LAMBDA {
    if ((size & bytes) == 0) return;
    std::memcpy(to, from, bytes);
    to += bytes, from += bytes;
  };
  if constexpr (kLargest == 16) some(std::integral_constant<uint32_t, 16>());
  some(std::integral_constant<uint32_t, 8>());
  some(std::integral_constant<uint32_t, 4>());
  some(std::integral_constant<uint32_t, 2>());
  some(std::integral_constant<uint32_t, 1>());
}

// With a whole vector in front of it in the text, the last one is read and written together with bytes of that one, so
// that no branch depends on its size: which size comes next can't be foretold, and a wrong guess costs as much as half
// of a small packet. `part`: bytes of the last vector, 1 to kVectorBytes.

/// The `part` bytes in front of `behind`, then zeros.
CULVERT_GCM_INLINE Vector read_end(const uint8_t* behind, uint32_t part) {
  alignas(sizeof(Vector)) uint8_t bytes[2 * kVectorBytes];
  store_vector(bytes, load_vector(behind - kVectorBytes));
  store_vector(bytes + kVectorBytes, every_block(_mm_setzero_si128()));
  return load_vector(bytes + kVectorBytes - part);
}

/// Writes the first `part` bytes of `end` in front of `behind`; in front of them stands `before`.
CULVERT_GCM_INLINE void write_end(uint8_t* behind, uint32_t part, Vector before, Vector end) {
  alignas(sizeof(Vector)) uint8_t bytes[2 * kVectorBytes];
  store_vector(bytes, before);
  store_vector(bytes + kVectorBytes, end);
  store_vector(behind - kVectorBytes, load_vector(bytes + part));
}

/// The `part` bytes at `text`, which may be all there are, then zeros.
CULVERT_GCM_INLINE Vector read_short(const uint8_t* text, uint32_t part) {
  if (part == kVectorBytes) return load_vector(text);
  alignas(sizeof(Vector)) uint8_t bytes[kVectorBytes];
  store_vector(bytes, every_block(_mm_setzero_si128()));
  copy_part<kVectorBytes / 2>(bytes, text, part);
  return load_vector(bytes);
}

/// Writes the first `part` bytes of `end` to `text`.
CULVERT_GCM_INLINE void write_short(uint8_t* text, uint32_t part, Vector end) {
  if (part == kVectorBytes) return store_vector(text, end);
  alignas(sizeof(Vector)) uint8_t bytes[kVectorBytes];
  store_vector(bytes, end);
  copy_part<kVectorBytes / 2>(text, bytes, part);
}

/// Ones in `size` bytes, zeros behind them.
CULVERT_GCM_INLINE Vector first_bytes(uint32_t size) {
  static constexpr auto kOnesAndZeros = [] {
    std::array<uint8_t, 2 * kVectorBytes> bytes{};
    std::fill_n(bytes.begin(), kVectorBytes, uint8_t{0xFF});
    return bytes;
  }();
  return load_vector(kOnesAndZeros.data() + kVectorBytes - size);
}

}  // namespace culvert::aead::CULVERT_GCM_NAMESPACE
