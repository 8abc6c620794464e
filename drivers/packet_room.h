// How long a packet may be that is received into a buffer of a pool.
#pragma once

#include <rte_mbuf.h>

#include "dataplane/packet.h"

namespace culvert::drivers {

/// Bytes that headers and trailers of a tunnel packet add to an inner packet at most: cipher, compression stub, padding
/// of CBC, digest, and what outer headers of a NIC port don't find room for in kHeadroom.
inline constexpr uint16_t kTunnelOverhead = 88;

/// Bytes of a packet between kHeadroom and kTailroom in a buffer of `packets`: kMaxPacket, unless the pool was made for
/// larger ones (make_packet_pool).
inline uint16_t packet_room(rte_mempool* packets) {
  return static_cast<uint16_t>(rte_pktmbuf_data_room_size(packets) - kHeadroom - kTailroom);
}

}  // namespace culvert::drivers
