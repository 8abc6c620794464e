// The inner source address must be one that is routed to this session.
#pragma once

#include "dataplane/steps/step.h"

namespace culvert::steps {

struct CheckSource {
  static constexpr StepName kName{"check_source"};

  Verdict operator()(Packet& packet, PathContext& context) const {
    // Its own address is a host route to it, so nothing longer can lead elsewhere; prefixes behind it need the look-up.
    if (packet.session->has_address(packet.ip_version, packet.source())) [[likely]]
      return Verdict::go_on();
    if (context.table->route(packet.ip_version, packet.source()) == packet.session) return Verdict::go_on();
    return Verdict::drop(DropReason::inner_source_not_allowed);
  }
};
inline constexpr CheckSource check_source;

}  // namespace culvert::steps
