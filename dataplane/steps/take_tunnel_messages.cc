#include "dataplane/steps/steps.h"

namespace culvert::steps {
namespace {

using abi::DropReason;

template <size_t N>
bool begins_with(const Packet& packet, const std::array<uint8_t, N>& magic) {
  return packet.length >= N && std::memcmp(packet.data, magic.data(), N) == 0;
}

Verdict take(Packet& packet, PathContext& context) {
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

}  // namespace

void take_tunnel_messages(Burst& burst, PathContext& context) {
  burst.each([&](Packet& packet) {
    // Neither magic begins like an IP packet.
    bool looks_like_ip = packet.length != 0 && (packet.data[0] >> 4 == 4 || packet.data[0] >> 4 == 6);
    if (looks_like_ip) [[likely]]
      return Verdict::go_on();
    return take(packet, context);
  });
}

}  // namespace culvert::steps
