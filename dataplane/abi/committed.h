// A value in shared memory with one writer and any readers: a reader sees the last committed value whole, or an older
// one whole, also when the writer died in the middle of a write. Two copies; an even/odd commit count says which is
// current.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace culvert::abi {

template <class T>
class Committed {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % 8 == 0);
  static constexpr size_t kWords = sizeof(T) / 8;
  using Copy = std::array<std::atomic<uint64_t>, kWords>;

 public:
  /// Writer only: replaces the value.
  void write(const T& value) {
    std::array<uint64_t, kWords> words;
    std::memcpy(words.data(), &value, sizeof value);
    uint64_t next = commits_.load(std::memory_order_relaxed) + 1;
    // Readers that still copy the slot about to be overwritten must see, at their second look, that commits_ moved.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    Copy& copy = copies_[next & 1];
    for (size_t i = 0; i < kWords; ++i) copy[i].store(words[i], std::memory_order_relaxed);
    commits_.store(next, std::memory_order_release);
  }

  /// Reads the last committed value. False when nothing was ever written, or the writer outran `tries` attempts.
  bool read(T& out, int tries = 64) const {
    for (int attempt = 0; attempt < tries; ++attempt) {
      uint64_t before = commits_.load(std::memory_order_acquire);
      if (before == 0) return false;
      std::array<uint64_t, kWords> words;
      const Copy& copy = copies_[before & 1];
      for (size_t i = 0; i < kWords; ++i) words[i] = copy[i].load(std::memory_order_relaxed);
      std::atomic_thread_fence(std::memory_order_acquire);
      // The writer touches this copy again only after it has published before + 1.
      if (commits_.load(std::memory_order_relaxed) == before) {
        std::memcpy(static_cast<void*>(&out), words.data(), sizeof out);
        return true;
      }
    }
    return false;
  }

  uint64_t commits() const { return commits_.load(std::memory_order_acquire); }

 private:
  std::atomic<uint64_t> commits_;
  std::array<Copy, 2> copies_;
};

}  // namespace culvert::abi
