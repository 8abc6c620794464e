// Packets behind which their buffer has little room or none.
#pragma once

#include <algorithm>

#include "tests/unit/support/path_rig.h"

namespace culvert::testing {

/// `bytes` in a buffer that ends `room` bytes behind them.
inline rte_mbuf* packet_near_the_end(PacketPool& pool, const Bytes& bytes, uint16_t room) {
  rte_mbuf* packet = pool.packet({});
  packet->data_off = static_cast<uint16_t>(packet->buf_len - room - bytes.size());
  std::ranges::copy(bytes, reinterpret_cast<uint8_t*>(rte_pktmbuf_append(packet, static_cast<uint16_t>(bytes.size()))));
  return packet;
}

}  // namespace culvert::testing
