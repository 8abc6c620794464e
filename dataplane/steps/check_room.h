// Drops what the session's TCP connection has no room for.
#pragma once

#include "dataplane/steps/step.h"

namespace culvert::steps {

struct CheckRoom {
  static constexpr StepName kName{"check_room"};

  Verdict operator()(Packet& packet, PathContext& context) const {
    const session::Where& where = packet.session->where;
    if (where.remote.transport == abi::Transport::kUdp || has_room(where, context)) [[likely]]
      return Verdict::go_on();
    return Verdict::drop(DropReason::tx_queue_full);
  }

 private:
  static bool has_room(const session::Where& session, PathContext& context) {
    drivers::Port* port = context.transmit.outer(session.port);
    return port == nullptr || port->has_room(session.remote.stream);
  }
};
inline constexpr CheckRoom check_room;

}  // namespace culvert::steps
