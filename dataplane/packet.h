// What an mbuf carries besides its bytes, in its private area: where it came from or goes to. Included by drivers and
// steps; every packet mempool is made with kPacketPrivateSize.
#pragma once

#include <rte_mbuf.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dataplane/abi/endpoint.h"

namespace culvert {

inline constexpr uint16_t kHeadroom =
    192;  ///< bytes in front of a received inner packet: outer headers fit without a copy
inline constexpr uint16_t kTailroom = 64;     ///< behind it: tags that stand at the end
inline constexpr uint16_t kMaxPacket = 2048;  ///< largest packet in one mbuf, in bytes

/// Our end of an outer flow: an abi::Endpoint less `stream`, which only a peer's has. 24 bytes, so that PacketMeta is
/// one cache line.
struct LocalEnd {
  abi::IpAddress address{};
  abi::Transport transport = abi::Transport::kUdp;
  uint16_t port = 0;
  uint32_t scope_id = 0;

  LocalEnd() = default;
  LocalEnd(const abi::Endpoint& from) { std::memcpy(static_cast<void*>(this), &from, sizeof *this); }
  operator abi::Endpoint() const { return {address, transport, port, scope_id, 0}; }
  friend bool operator==(const LocalEnd&, const LocalEnd&) = default;
  friend bool operator==(const LocalEnd& a, const abi::Endpoint& b) { return a == LocalEnd(b); }
};
static_assert(sizeof(LocalEnd) == offsetof(abi::Endpoint, stream) &&
              offsetof(LocalEnd, transport) == offsetof(abi::Endpoint, transport) &&
              offsetof(LocalEnd, port) == offsetof(abi::Endpoint, port) &&
              offsetof(LocalEnd, scope_id) == offsetof(abi::Endpoint, scope_id));

/// Of tunnel packets: written by the driver on rx, by whoever sends them on tx, all of it. While a packet is an inner
/// one it holds what was there before.
struct PacketMeta {
  abi::Endpoint remote;  ///< outer peer
  LocalEnd local;        ///< our outer address; family kNone: not known, or the kernel's choice
  uint16_t port;         ///< index of the outer port it came from or goes to
};
static_assert(sizeof(PacketMeta) == RTE_CACHE_LINE_SIZE);

/// The buffer behind it starts at a cache line: then an inner packet behind kHeadroom bytes does as well, and a small
/// packet with its tunnel header touches two lines instead of three.
inline constexpr uint16_t kPacketPrivateSize = sizeof(PacketMeta);
static_assert(kHeadroom % RTE_CACHE_LINE_SIZE == 0);

inline PacketMeta& meta(rte_mbuf* packet) {
  return *static_cast<PacketMeta*>(rte_mbuf_to_priv(packet));
}

}  // namespace culvert
