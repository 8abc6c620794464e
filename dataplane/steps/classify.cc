#include "dataplane/steps/classify.h"

namespace culvert::steps {
namespace {

using wire::Opcode;

// Opcode, session ID, and the number of ACKs; other control packets have a packet-id as well (RFC, control channel).
constexpr uint32_t kSmallestAck = 1 + wire::kSessionIdSize + 1;
constexpr uint32_t kSmallestControl = kSmallestAck + 4;

uint32_t smallest(Opcode opcode) {
  switch (opcode) {
    case Opcode::kDataV2:
      return sizeof(wire::DataV2Header);
    case Opcode::kDataV1:
      return sizeof(wire::DataV1Header);
    case Opcode::kAck:
      return kSmallestAck;
    default:
      return kSmallestControl;
  }
}

bool from_tunnel_address(const Packet& packet, PathContext& context) {
  const abi::IpAddress& address = meta(packet.mbuf).remote.address;
  return context.table->route(address.family == abi::Family::kIpv4 ? 4 : 6, address.bytes.data()) != nullptr;
}

Verdict punt(Packet& packet, PathContext& context) {
  if (from_tunnel_address(packet, context)) return Verdict::drop(DropReason::outer_inner_source);
  const PacketMeta& from = meta(packet.mbuf);
  Verdict verdict = context.punt.copy(packet, context.table->find_by_address(from.remote, from.port) != nullptr);
  if (verdict.is_drop()) return verdict;
  context.tally.add(abi::Counter::punted_packets);
  rte_pktmbuf_free(packet.mbuf);
  return verdict;
}

}  // namespace

Verdict Classify::other(Packet& packet, PathContext& context) {
  if (packet.length == 0) return Verdict::drop(DropReason::outer_too_short);
  auto first = wire::read_opcode(packet.bytes());
  if (!first) return Verdict::drop(DropReason::outer_unknown_opcode);
  if (packet.length < smallest(first->opcode)) return Verdict::drop(DropReason::outer_too_short);
  packet.opcode = first->opcode;
  packet.key_id = first->key_id;
  return wire::is_data(first->opcode) ? Verdict::go_on() : punt(packet, context);
}

}  // namespace culvert::steps
