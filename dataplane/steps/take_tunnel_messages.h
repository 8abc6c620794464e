// Takes what is meant for the gateway's end of the tunnel: keepalives and OCC messages.
#pragma once

#include "dataplane/steps/step.h"

namespace culvert::steps {

struct TakeTunnelMessages {
  static constexpr StepName kName{"take_tunnel_messages"};

  Verdict operator()(Packet& packet, PathContext& context) const {
    // Neither magic begins like an IP packet.
    bool looks_like_ip = packet.length != 0 && (packet.data[0] >> 4 == 4 || packet.data[0] >> 4 == 6);
    return looks_like_ip ? Verdict::go_on() : take(packet, context);
  }

 private:
  static Verdict take(const Packet& packet, PathContext& context);
};
inline constexpr TakeTunnelMessages take_tunnel_messages;

}  // namespace culvert::steps
