// What every step's own header needs.
#pragma once

#include "dataplane/packet.h"
#include "dataplane/steps/burst.h"
#include "dataplane/steps/context.h"
#include "dataplane/steps/step_name.h"

namespace culvert::steps {

using abi::DropReason;
using dataplane::PathContext;

/// The peer-id of a DATA_V2 packet.
inline uint32_t peer_id_of(const Packet& packet) {
  wire::be32 first;
  std::memcpy(&first, packet.data, sizeof first);
  return first.get() & wire::kPeerIdNone;
}

/// Closes the TCP connection that the packet came from, if it came from one: TCP changes, loses and repeats nothing, so
/// a packet that fails its checks means that the two ends no longer agree. The client connects again.
void break_stream(const Packet& packet, PathContext& context);

/// Writes the packet's place and length back into its mbuf.
inline void settle(const Packet& packet) {
  rte_mbuf* mbuf = packet.mbuf;
  mbuf->data_off = static_cast<uint16_t>(packet.data - static_cast<uint8_t*>(mbuf->buf_addr));
  mbuf->data_len = static_cast<uint16_t>(packet.length);
  mbuf->pkt_len = packet.length;
}

}  // namespace culvert::steps
