#include "dataplane/steps/route.h"

namespace culvert::steps {

Verdict RouteFromSession::to_session(Packet& packet, session::Session& destination, PathContext& context) {
  if (&destination == packet.session) return Verdict::drop(DropReason::inner_hairpin);
  if (!packet.session->where.client_to_client || !destination.where.client_to_client) {
    // Not past the kernel, which may forward or filter it; where there is no kernel to ask, the answer is no.
    return context.transmit.has_inner() ? to_tun(packet, context) : Verdict::drop(DropReason::inner_client_to_client);
  }
  if (packet.length > destination.where.tun_mtu) return Verdict::drop(DropReason::inner_too_big);
  packet.session = &destination;
  context.tally.add(abi::Counter::client_to_client_packets);
  return Verdict::go_on();
}

}  // namespace culvert::steps
