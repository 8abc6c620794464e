#include "dataplane/steps/find_session.h"

namespace culvert::steps {

Verdict FindSession::by_address(Packet& packet, PathContext& context) {
  bool names_peer = packet.opcode == wire::Opcode::kDataV2 && peer_id_of(packet) != wire::kPeerIdNone;
  if (names_peer) return Verdict::drop(DropReason::session_unknown_peer_id);
  const PacketMeta& from = meta(packet.mbuf);
  packet.session = context.table->find_by_address(from.remote, from.port);
  if (packet.session == nullptr) return Verdict::drop(DropReason::session_unknown_address);
  packet.moved = !same_place(packet.session->where.remote, from.remote);
  prefetch_key(packet);
  return Verdict::go_on();
}

}  // namespace culvert::steps
