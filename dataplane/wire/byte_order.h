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
  constexpr T get() const { return ordered(std::bit_cast<T>(bytes_)); }
  constexpr void set(T value) { bytes_ = std::bit_cast<decltype(bytes_)>(ordered(value)); }
  friend constexpr bool operator==(const Stored&, const Stored&) = default;

 private:
  static constexpr T ordered(T value) {
    if constexpr (Order == std::endian::native || sizeof(T) == 1) {
      return value;
    } else if constexpr (sizeof(T) == 2) {
      return __builtin_bswap16(value);
    } else if constexpr (sizeof(T) == 4) {
      return __builtin_bswap32(value);
    } else {
      return __builtin_bswap64(value);
    }
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
