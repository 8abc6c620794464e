#include "dataplane/steps/steps.h"

namespace culvert::steps {
namespace {

using abi::DropReason;

Verdict to_tun(Packet& packet, PathContext& context) {
  settle(packet);
  return context.transmit.to_inner(packet.mbuf) ? Verdict::taken() : Verdict::drop(DropReason::tx_port_down);
}

Verdict from_session(Packet& packet, PathContext& context) {
  session::Session* destination = context.table->route(packet.ip.version, packet.ip.destination);
  if (destination == nullptr) return to_tun(packet, context);
  if (destination == packet.session) return Verdict::drop(DropReason::inner_hairpin);
  if (!packet.session->where.client_to_client || !destination->where.client_to_client) {
    // Not past the kernel, which may forward or filter it; where there is no kernel to ask, the answer is no.
    return context.transmit.has_inner() ? to_tun(packet, context) : Verdict::drop(DropReason::inner_client_to_client);
  }
  if (packet.length > destination->where.tun_mtu) return Verdict::drop(DropReason::inner_too_big);
  packet.session = destination;
  context.tally.add(abi::Counter::client_to_client_packets);
  return Verdict::go_on();
}

Verdict to_session(Packet& packet, PathContext& context) {
  packet.session = context.table->route(packet.ip.version, packet.ip.destination);
  if (packet.session == nullptr) return Verdict::drop(DropReason::inner_no_route);
  __builtin_prefetch(&packet.session->where);
  __builtin_prefetch(&packet.session->send);
  __builtin_prefetch(packet.data - 1, 1);  // the tunnel header goes there
  if (packet.length > packet.session->where.tun_mtu) return Verdict::drop(DropReason::inner_too_big);
  return Verdict::go_on();
}

}  // namespace

void route_from_session(Burst& burst, PathContext& context) {
  burst.each([&](Packet& packet) { return from_session(packet, context); });
}

void route_to_session(Burst& burst, PathContext& context) {
  burst.each([&](Packet& packet) { return to_session(packet, context); });
}

}  // namespace culvert::steps
