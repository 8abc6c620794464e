// Hash table of fixed capacity: open addressing, linear probing, no tombstones. Made once, never grows: what doesn't
// fit is refused, so the packet path never waits for a rehash. Pages nobody has touched cost no memory.
#pragma once

#include <sys/random.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "dataplane/session/pages.h"

namespace culvert::session {

/// `Key`: trivially copyable, without padding, a multiple of 8 bytes. Values: anything but kNone.
template <class Key>
class FlatMap {
  static_assert(std::has_unique_object_representations_v<Key> && sizeof(Key) % 8 == 0);

 public:
  static constexpr uint32_t kNone = 0xFFFFFFFF;

  /// Room for `capacity` entries. Check ok() afterwards.
  explicit FlatMap(size_t capacity) : capacity_(capacity), mask_(std::bit_ceil(capacity * 2) - 1) {
    entries_ = static_cast<Entry*>(map_pages(bytes()));
    // Peers choose addresses: without a secret they could choose ones that collide.
    std::array<uint64_t, 3> secret;
    if (getrandom(secret.data(), sizeof secret, 0) == sizeof secret) seeds_ = secret;
  }
  ~FlatMap() { unmap_pages(entries_, bytes()); }
  FlatMap(const FlatMap&) = delete;
  FlatMap& operator=(const FlatMap&) = delete;

  bool ok() const { return entries_ != nullptr; }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }

  /// The value under `key`, or kNone.
  uint32_t find(const Key& key) const { return find_from(home(key), key); }

  /// Where the search for `key` begins, until the map is changed.
  uint32_t start_of(const Key& key) const { return static_cast<uint32_t>(home(key)); }
  /// Brings it into the cache. (Not inlined, GCC would take a function that only prefetches for one without effect.)
  [[gnu::always_inline]] void prefetch(uint32_t start) const { __builtin_prefetch(&entries_[start]); }
  /// find(), with what start_of() said.
  uint32_t find_from(size_t start, const Key& key) const {
    for (size_t at = start; entries_[at].value_plus_one != 0; at = (at + 1) & mask_)
      if (same(entries_[at].key, key)) return entries_[at].value_plus_one - 1;
    return kNone;
  }

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

  static std::array<uint64_t, kWords> words_of(const Key& key) {
    std::array<uint64_t, kWords> words;
    std::memcpy(words.data(), &key, sizeof key);
    return words;
  }
  static bool same(const Key& a, const Key& b) {
    auto x = words_of(a), y = words_of(b);
    uint64_t difference = 0;
    for (size_t i = 0; i < kWords; ++i) difference |= x[i] ^ y[i];
    return difference == 0;
  }
  static uint64_t mix(uint64_t a, uint64_t b) {
    unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  }

  // Two words per multiplication (as wyhash does); the seeds keep either factor from being 0 but by chance.
  size_t home(const Key& key) const {
    auto words = words_of(key);
    uint64_t hash = seeds_[2];
    for (size_t i = 0; i < kWords; i += 2)
      hash = mix(words[i] ^ seeds_[0] ^ hash, (i + 1 < kWords ? words[i + 1] : 0) ^ seeds_[1]);
    return hash & mask_;
  }

  size_t capacity_;
  size_t mask_;
  size_t size_ = 0;
  std::array<uint64_t, 3> seeds_{0x9E3779B97F4A7C15u, 0xD1B54A32D192ED03u, 0x8CB92BA72F3D8DD7u};
  Entry* entries_ = nullptr;
};

}  // namespace culvert::session
