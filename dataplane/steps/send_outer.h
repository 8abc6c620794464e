// Stages for the session's port, addressed to its peer. Takes all packets.
#pragma once

#include "dataplane/steps/step.h"

namespace culvert::steps {

struct SendOuter {
  static constexpr StepName kName{"send_outer"};

  Verdict operator()(Packet& packet, PathContext& context) const {
    settle(packet);
    const session::Session& session = *packet.session;
    PacketMeta& to = meta(packet.mbuf);
    to.remote = session.where.remote;
    to.local = session.send.local;
    to.port = session.where.port;
    return context.transmit.to_outer(to.port, packet.mbuf) ? Verdict::taken() : Verdict::drop(DropReason::tx_port_down);
  }
};
inline constexpr SendOuter send_outer;

}  // namespace culvert::steps
