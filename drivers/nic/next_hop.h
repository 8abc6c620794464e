// Where a packet goes: one word, so that the main thread can change a next hop under the workers' eyes.
#pragma once

#include <cstdint>

#include "dataplane/wire/ethernet.h"

namespace culvert::drivers {

class NextHop {
 public:
  enum class Kind : uint16_t {
    kKernel = 0,  ///< the kernel knows, or finds out: through a twin or a socket
    kLocal = 1,   ///< an address of the gateway
    kTun = 2,     ///< the tunnel: sessions
    kNic = 3,     ///< out of a NIC, to a neighbour whose address is known
  };

  constexpr NextHop() = default;
  constexpr explicit NextHop(Kind kind) : word_(static_cast<uint64_t>(kind)) {}
  static constexpr NextHop through(uint8_t nic, const wire::MacAddress& neighbour) {
    uint64_t word = static_cast<uint64_t>(Kind::kNic) | uint64_t{nic} << 8;
    for (size_t i = 0; i < neighbour.size(); ++i) word |= uint64_t{neighbour[i]} << (16 + 8 * i);
    return from_word(word);
  }
  static constexpr NextHop from_word(uint64_t word) {
    NextHop hop;
    hop.word_ = word;
    return hop;
  }

  constexpr uint64_t word() const { return word_; }
  constexpr Kind kind() const { return static_cast<Kind>(word_ & 0xFF); }
  constexpr uint8_t nic() const { return static_cast<uint8_t>(word_ >> 8); }
  constexpr wire::MacAddress neighbour() const {
    wire::MacAddress address;
    for (size_t i = 0; i < address.size(); ++i) address[i] = static_cast<uint8_t>(word_ >> (16 + 8 * i));
    return address;
  }
  friend constexpr bool operator==(const NextHop&, const NextHop&) = default;

 private:
  uint64_t word_ = 0;
};

}  // namespace culvert::drivers
