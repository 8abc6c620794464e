// What a worker made of a packet before it handed it to another.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

namespace culvert::steps {

enum class Handed : uint8_t {
  kNo,
  kOuter,  ///< a tunnel packet, for the worker that opens it
  kInner,  ///< an inner packet, for the worker that seals it
};

/// Both stand in one word: which way a packet goes is known before its lines have come from the other core.
class HandedPacket {
 public:
  HandedPacket() = default;
  HandedPacket(rte_mbuf* packet, Handed as) : word_(reinterpret_cast<uintptr_t>(packet) | static_cast<uintptr_t>(as)) {}

  rte_mbuf* packet() const { return reinterpret_cast<rte_mbuf*>(word_ & ~kKind); }
  Handed as() const { return static_cast<Handed>(word_ & kKind); }

 private:
  static constexpr uintptr_t kKind = 3;  // an mbuf begins at a cache line
  uintptr_t word_ = 0;
};

}  // namespace culvert::steps
