// Where an inner packet goes: one look-up by its destination.
#pragma once

#include "dataplane/steps/step.h"

namespace culvert::steps {

/// Sends to the TUN, or goes on when the destination is another session and both may talk: then the packet's session is
/// the destination's.
struct RouteFromSession {
  static constexpr StepName kName{"route"};

  Verdict operator()(Packet& packet, PathContext& context) const {
    session::Session* destination = context.table->route(packet.route_begun, packet.ip_version, packet.destination());
    return destination == nullptr ? to_tun(packet, context) : to_session(packet, *destination, context);
  }

 private:
  static Verdict to_tun(const Packet& packet, PathContext& context) {
    settle(packet);
    return context.transmit.to_inner(packet.mbuf) ? Verdict::taken() : Verdict::drop(DropReason::tx_port_down);
  }
  static Verdict to_session(Packet& packet, session::Session& destination, PathContext& context);
};
inline constexpr RouteFromSession route_from_session;

/// Finds the session by the inner destination, and has its lines fetched.
struct RouteToSession {
  static constexpr StepName kName{"route"};

  Verdict operator()(Packet& packet, PathContext& context) const {
    packet.session = context.table->route(packet.route_begun, packet.ip_version, packet.destination());
    if (packet.session == nullptr) return Verdict::drop(DropReason::inner_no_route);
    __builtin_prefetch(&packet.session->where);
    __builtin_prefetch(&packet.session->send, 1);
    __builtin_prefetch(packet.data - 1, 1);  // the tunnel header goes there
    return Verdict::go_on();
  }
};
inline constexpr RouteToSession route_to_session;

/// The packet must fit the session's tunnel. Apart from the look-up, whose lines are on their way then.
struct CheckMtu {
  static constexpr StepName kName{"route"};

  Verdict operator()(Packet& packet, PathContext&) const {
    return packet.length <= packet.session->where.tun_mtu ? Verdict::go_on() : Verdict::drop(DropReason::inner_too_big);
  }
};
inline constexpr CheckMtu check_mtu;

}  // namespace culvert::steps
