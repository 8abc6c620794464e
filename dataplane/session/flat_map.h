// Hash table of fixed capacity: open addressing, linear probing, no tombstones. Made once, never grows: what doesn't
// fit is refused, so the packet path never waits for a rehash. Pages nobody has touched cost no memory.
#pragma once

#include <sys/mman.h>
#include <sys/random.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace culvert::session {

/// `Key`: trivially copyable, without padding, a multiple of 8 bytes. Values: anything but kNone.
template <class Key>
class FlatMap {
  static_assert(std::has_unique_object_representations_v<Key> && sizeof(Key) % 8 == 0);

 public:
  static constexpr uint32_t kNone = 0xFFFFFFFF;

  /// Room for `capacity` entries. Check ok() afterwards.
  explicit FlatMap(size_t capacity) : capacity_(capacity), mask_(std::bit_ceil(capacity * 2) - 1) {
    void* memory = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory != MAP_FAILED) entries_ = static_cast<Entry*>(memory);
    // Peers choose addresses: without a secret they could choose ones that collide.
    if (getrandom(&seed_, sizeof seed_, 0) != sizeof seed_) seed_ ^= reinterpret_cast<uintptr_t>(this);
    seed_ |= 1;
  }
  ~FlatMap() {
    if (entries_ != nullptr) munmap(entries_, bytes());
  }
  FlatMap(const FlatMap&) = delete;
  FlatMap& operator=(const FlatMap&) = delete;

  bool ok() const { return entries_ != nullptr; }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }

  /// The value under `key`, or kNone.
  uint32_t find(const Key& key) const {
    for (size_t at = home(key); entries_[at].value_plus_one != 0; at = (at + 1) & mask_)
      if (same(entries_[at].key, key)) return entries_[at].value_plus_one - 1;
    return kNone;
  }

  void prefetch(const Key& key) const { __builtin_prefetch(&entries_[home(key)]); }

  /// Adds or replaces. False when the map is full (nothing changed).
  bool set(const Key& key, uint32_t value) {
    size_t at = home(key);
    for (; entries_[at].value_plus_one != 0; at = (at + 1) & mask_) {
      if (!same(entries_[at].key, key)) continue;
      entries_[at].value_plus_one = value + 1;
      return true;
    }
    if (size_ == capacity_) return false;
    entries_[at].key = key;
    entries_[at].value_plus_one = value + 1;
    ++size_;
    return true;
  }

  /// Removes `key` if it is there.
  void erase(const Key& key) {
    size_t hole = home(key);
    while (entries_[hole].value_plus_one != 0 && !same(entries_[hole].key, key)) hole = (hole + 1) & mask_;
    if (entries_[hole].value_plus_one == 0) return;
    --size_;
    // Moves later entries of the run back into the hole, unless they stand at or after their home.
    for (size_t at = (hole + 1) & mask_; entries_[at].value_plus_one != 0; at = (at + 1) & mask_) {
      size_t distance_to_home = (at - home(entries_[at].key)) & mask_;
      if (distance_to_home < ((at - hole) & mask_)) continue;
      entries_[hole] = entries_[at];
      hole = at;
    }
    entries_[hole].value_plus_one = 0;
  }

 private:
  static constexpr size_t kWords = sizeof(Key) / 8;
  struct Entry {
    Key key;
    uint32_t value_plus_one;  ///< 0: free, as fresh memory is
  };

  size_t bytes() const { return (mask_ + 1) * sizeof(Entry); }
  static bool same(const Key& a, const Key& b) { return std::memcmp(&a, &b, sizeof(Key)) == 0; }

  size_t home(const Key& key) const {
    std::array<uint64_t, kWords> words;
    std::memcpy(words.data(), &key, sizeof key);
    uint64_t hash = seed_;
    for (uint64_t word : words) {
      unsigned __int128 product = static_cast<unsigned __int128>(word ^ hash) * 0x9E3779B97F4A7C15u;
      hash = static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64) ^ seed_;
    }
    return hash & mask_;
  }

  size_t capacity_;
  size_t mask_;
  size_t size_ = 0;
  uint64_t seed_ = 0;
  Entry* entries_ = nullptr;
};

}  // namespace culvert::session
