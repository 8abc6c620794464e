// What an mbuf carries besides its bytes, in its private area: where it came from or goes to. Included by drivers and
// steps; every packet mempool is made with kPacketPrivateSize.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

#include "dataplane/abi/endpoint.h"

namespace culvert {

inline constexpr uint16_t kHeadroom =
    192;  ///< bytes in front of a received inner packet: outer headers fit without a copy
inline constexpr uint16_t kTailroom = 64;     ///< behind it: tags that stand at the end
inline constexpr uint16_t kMaxPacket = 2048;  ///< largest packet in one mbuf, in bytes

/// What a worker made of a packet before it handed it to another.
enum class Handed : uint8_t {
  kNo,
  kOuter,  ///< a tunnel packet, for the worker that opens it
  kInner,  ///< an inner packet, for the worker that seals it
};

/// Written by the driver on rx, by the path on tx (`remote`, `local`, `port`).
struct PacketMeta {
  abi::Endpoint remote;  ///< outer peer
  uint16_t port;         ///< index of the outer port it came from or goes to
  Handed handed;         ///< kNo when received
  uint8_t reserved;
  uint32_t reserved2;
  abi::Endpoint local;  ///< our outer address; family kNone: not known, or the kernel's choice
};

/// Whole cache lines, so that the buffer behind it starts at one: then an inner packet behind kHeadroom bytes does as
/// well, and a small packet with its tunnel header touches two lines instead of three.
inline constexpr uint16_t kPacketPrivateSize = RTE_ALIGN_CEIL(sizeof(PacketMeta), RTE_CACHE_LINE_SIZE);
static_assert(kHeadroom % RTE_CACHE_LINE_SIZE == 0);

inline PacketMeta& meta(rte_mbuf* packet) {
  return *static_cast<PacketMeta*>(rte_mbuf_to_priv(packet));
}

}  // namespace culvert
