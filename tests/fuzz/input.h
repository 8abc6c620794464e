// Takes a fuzz input apart. Never runs out: what is missing reads as zero.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace culvert::fuzz {

class Input {
 public:
  Input(const uint8_t* data, size_t size) : bytes_(data, size) {}

  uint8_t byte() {
    if (bytes_.empty()) return 0;
    uint8_t value = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return value;
  }
  uint16_t u16() {
    auto high = static_cast<uint16_t>(byte() << 8);
    return static_cast<uint16_t>(high | byte());
  }
  /// Up to `size` bytes.
  std::span<const uint8_t> take(size_t size) {
    auto taken = bytes_.first(std::min(size, bytes_.size()));
    bytes_ = bytes_.subspan(taken.size());
    return taken;
  }
  std::span<const uint8_t> rest() { return take(bytes_.size()); }
  std::string_view rest_as_text() {
    auto bytes = rest();
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  /// A message of the link, byte by byte.
  template <class T>
  T value() {
    static_assert(std::is_trivially_copyable_v<T>);
    T made;
    std::memset(static_cast<void*>(&made), 0, sizeof made);
    auto bytes = take(sizeof made);
    if (!bytes.empty()) std::memcpy(static_cast<void*>(&made), bytes.data(), bytes.size());
    return made;
  }
  bool empty() const { return bytes_.empty(); }

 private:
  std::span<const uint8_t> bytes_;
};

/// Ends the program when a property that must hold for every input does not.
inline void require(bool holds) {
  if (!holds) __builtin_trap();
}

}  // namespace culvert::fuzz
