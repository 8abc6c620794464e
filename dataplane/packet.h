// What an mbuf carries besides its bytes, in its private area: what the driver knows on receive, and what the steps of the
// path have learned so far. Included by drivers and steps; every packet mempool is made with kPacketPrivateSize.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

#include "dataplane/abi/endpoint.h"

namespace culvert {

inline constexpr uint16_t kHeadroom = 192;    ///< bytes in front of a received inner packet: outer headers fit without a copy
inline constexpr uint16_t kTailroom = 64;     ///< behind it: tags that stand at the end
inline constexpr uint16_t kMaxPacket = 2048;  ///< largest packet in one mbuf, in bytes

/// Written by the driver on rx, by the path on tx (`remote`, `local`, `port`).
struct PacketMeta {
  abi::Endpoint remote;  ///< outer peer
  abi::Endpoint local;   ///< our outer address; family kNone: not known, or the kernel's choice
  uint16_t port;         ///< index of the outer port it came from or goes to
  // Learned on the way, valid only between the steps of one burst:
  uint8_t key_slot;
  uint8_t reserved;
  uint32_t peer_id;      ///< session; abi::kNoPeerId: none
  uint32_t packet_id;    ///< of the data packet
};

inline constexpr uint16_t kPacketPrivateSize = RTE_ALIGN_CEIL(sizeof(PacketMeta), RTE_MBUF_PRIV_ALIGN);

inline PacketMeta& meta(rte_mbuf* packet) { return *static_cast<PacketMeta*>(rte_mbuf_to_priv(packet)); }

}  // namespace culvert
