// Erasing secrets, and comparing them without telling where they differ.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace culvert::aead {

/// Zeroes memory that held a secret; the compiler must not drop it although nothing reads it again.
inline void wipe(void* memory, size_t size) {
  std::memset(memory, 0, size);
  __asm__ __volatile__("" : : "r"(memory) : "memory");
}

template <class T>
void wipe(T& object) {
  wipe(static_cast<void*>(&object), sizeof object);
}

/// Compares 16 bytes in a time that does not depend on them.
inline bool equal_tags(const uint8_t* a, const uint8_t* b) {
  uint64_t a_words[2], b_words[2];
  std::memcpy(a_words, a, 16);
  std::memcpy(b_words, b, 16);
  uint64_t difference = (a_words[0] ^ b_words[0]) | (a_words[1] ^ b_words[1]);
  __asm__ __volatile__("" : "+r"(difference));
  return difference == 0;
}

/// Likewise any number of bytes.
inline bool equal_bytes(const uint8_t* a, const uint8_t* b, size_t size) {
  uint8_t difference = 0;
  for (size_t i = 0; i < size; ++i) difference = static_cast<uint8_t>(difference | (a[i] ^ b[i]));
  __asm__ __volatile__("" : "+r"(difference));
  return difference == 0;
}

}  // namespace culvert::aead
