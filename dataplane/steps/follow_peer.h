// Follows the peer to the address that the packet came from.
#pragma once

#include "dataplane/steps/step.h"

namespace culvert::steps {

struct FollowPeer {
  static constexpr StepName kName{"follow_peer"};

  Verdict operator()(Packet& packet, PathContext& context) {
    if (!packet.moved && !any_followed) [[likely]]
      return Verdict::go_on();
    return follow(packet, context);
  }

 private:
  Verdict follow(const Packet& packet, PathContext& context);

  bool any_followed = false;  ///< in this burst: Packet::moved speaks of the time before
};
inline constexpr FollowPeer follow_peer;

}  // namespace culvert::steps
