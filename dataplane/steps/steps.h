// The steps of the packet path, in the order in which path.cc calls them. Each works on a whole burst: packets that it
// drops or takes leave the burst, the rest goes on. One file per step.
#pragma once

#include "dataplane/packet.h"
#include "dataplane/steps/burst.h"
#include "dataplane/steps/context.h"

namespace culvert::steps {

using dataplane::PathContext;

// Outer → inner

/// Reads the opcode. Control packets go to control; data packets go on when their header is whole.
void classify(Burst& burst, PathContext& context);
/// Finds the session: by peer-id, or by address for packets that have none. Its transport and port must be the
/// session's.
void find_session(Burst& burst, PathContext& context);
/// Decrypts under the key of the packet's key-id, in place, and checks the tag. From here on `bytes()` is the inner
/// packet.
void open(Burst& burst, PathContext& context);
/// Refuses packet-ids that were seen or are too old, and remembers the others. Notes that the peer is alive and has the
/// key.
void check_replay(Burst& burst, PathContext& context);
/// Follows the peer to the address that the packet came from.
void follow_peer(Burst& burst, PathContext& context);
/// Takes off what compression puts around packets, from sessions that have it.
void remove_framing(Burst& burst, PathContext& context);
/// Takes what is meant for the gateway's end of the tunnel: keepalives and OCC messages.
void take_tunnel_messages(Burst& burst, PathContext& context);
/// The inner source address must be one that is routed to this session.
void check_source(Burst& burst, PathContext& context);
/// Sends to the TUN, or goes on when the destination is another session and both may talk: then the packet's session is
/// the destination's.
void route_from_session(Burst& burst, PathContext& context);

// Inner → outer

/// Finds the session by the inner destination.
void route_to_session(Burst& burst, PathContext& context);
/// Drops what the session's TCP connection has no room for.
void check_room(Burst& burst, PathContext& context);
/// Puts compression's framing around packets to sessions that have it.
void add_framing(Burst& burst, PathContext& context);
/// Encrypts in place under the session's send key and puts the tunnel header in front.
void seal(Burst& burst, PathContext& context);
/// Stages for the session's port, addressed to its peer. Takes all packets.
void send_outer(Burst& burst, PathContext& context);

// Both ways

/// Hands packets whose session is another worker's to that worker, which begins with them where this step's path did.
void hand_over(Burst& burst, Handed as, PathContext& context);
/// The inner packet must be whole IPv4 or IPv6, to an address that a routed tunnel carries. Fills Packet::ip.
void check_inner(Burst& burst, PathContext& context);
/// Lowers the MSS of TCP SYNs to what fits the session's outer packets.
void clamp_mss(Burst& burst, PathContext& context);

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
