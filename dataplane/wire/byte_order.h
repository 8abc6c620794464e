// Integers as they stand in packets: unaligned, in a byte order of their own, never converted silently.
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace culvert::wire {

template <std::unsigned_integral T, std::endian Order>
class Stored {
 public:
  constexpr Stored() = default;
  constexpr explicit Stored(T value) { set(value); }

  /// The value in host byte order.
  constexpr T get() const {
    T value = 0;
    for (size_t i = 0; i < sizeof(T); ++i)
      value = static_cast<T>(value | static_cast<T>(static_cast<T>(bytes_[position(i)]) << (8 * i)));
    return value;
  }
  constexpr void set(T value) {
    for (size_t i = 0; i < sizeof(T); ++i) bytes_[position(i)] = static_cast<uint8_t>(value >> (8 * i));
  }
  friend constexpr bool operator==(const Stored&, const Stored&) = default;

 private:
  static constexpr size_t position(size_t significance) {
    return Order == std::endian::big ? sizeof(T) - 1 - significance : significance;
  }
  std::array<uint8_t, sizeof(T)> bytes_{};
};

using be16 = Stored<uint16_t, std::endian::big>;
using be32 = Stored<uint32_t, std::endian::big>;
using be64 = Stored<uint64_t, std::endian::big>;
using le32 = Stored<uint32_t, std::endian::little>;
using le64 = Stored<uint64_t, std::endian::little>;

static_assert(sizeof(be32) == 4 && alignof(be32) == 1 && std::is_trivially_copyable_v<be32>);

}  // namespace culvert::wire
