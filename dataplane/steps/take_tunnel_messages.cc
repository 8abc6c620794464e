#include "dataplane/steps/take_tunnel_messages.h"

namespace culvert::steps {
namespace {

template <size_t N>
bool begins_with(const Packet& packet, const std::array<uint8_t, N>& magic) {
  return packet.length >= N && std::memcmp(packet.data, magic.data(), N) == 0;
}

}  // namespace

Verdict TakeTunnelMessages::take(const Packet& packet, PathContext& context) {
  if (packet.length == 0) return Verdict::drop(DropReason::inner_empty);
  if (packet.length == wire::kPingMagic.size() && begins_with(packet, wire::kPingMagic)) {
    context.tally.add(abi::Counter::pings_received);
  } else if (packet.length > wire::kOccMagic.size() && begins_with(packet, wire::kOccMagic)) {
    context.tally.add(abi::Counter::occ_received);
    if (packet.data[wire::kOccMagic.size()] == wire::kOccExit) context.events.exited(*packet.session);
  } else {
    return Verdict::go_on();
  }
  rte_pktmbuf_free(packet.mbuf);
  return Verdict::taken();
}

}  // namespace culvert::steps
