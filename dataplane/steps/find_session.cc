#include "dataplane/packet.h"
#include "dataplane/steps/steps.h"

namespace culvert::steps {
namespace {

using abi::DropReason;

// A TCP peer is its connection: from another one, the packet isn't this session's.
bool same_transport(const session::Where& session, const PacketMeta& from) {
  return session.port == from.port && session.remote.transport == from.remote.transport &&
         (from.remote.transport == abi::Transport::kUdp || session.remote == from.remote);
}

Verdict by_address(Packet& packet, PathContext& context) {
  const PacketMeta& from = meta(packet.mbuf);
  packet.session = context.table->find_by_address(from.remote, from.port);
  return packet.session == nullptr ? Verdict::drop(DropReason::session_unknown_address) : Verdict::go_on();
}

Verdict find_one(Packet& packet, PathContext& context) {
  if (packet.opcode == wire::Opcode::kDataV1) return by_address(packet, context);
  uint32_t peer_id = reinterpret_cast<const wire::DataV2Header*>(packet.data)->peer();
  if (peer_id == wire::kPeerIdNone) return by_address(packet, context);
  session::Session* session = context.table->find(peer_id);
  if (session == nullptr) return Verdict::drop(DropReason::session_unknown_peer_id);
  if (!same_transport(session->where, meta(packet.mbuf))) return Verdict::drop(DropReason::session_wrong_transport);
  packet.session = session;
  return Verdict::go_on();
}

}  // namespace

void find_session(Burst& burst, PathContext& context) {
  burst.each([&](Packet& packet) { return find_one(packet, context); });
  for (const Packet& packet : burst.packets()) __builtin_prefetch(packet.session->receive.keys[packet.key_id]);
}

}  // namespace culvert::steps
