// What compression would put around packets, for sessions whose peer has it switched on (comp.h and compstub.c of the
// reference). Nothing is compressed, and what a peer has compressed is dropped.
#pragma once

#include "dataplane/steps/step.h"

namespace culvert::steps {

/// Takes it off, from sessions that have it.
struct RemoveFraming {
  static constexpr StepName kName{"framing"};

  Verdict operator()(Packet& packet, PathContext&) const {
    return packet.session->where.framing == abi::Framing::kNone ? Verdict::go_on() : remove(packet);
  }

 private:
  static Verdict remove(Packet& packet);
};
inline constexpr RemoveFraming remove_framing;

/// Puts it around packets to sessions that have it.
struct AddFraming {
  static constexpr StepName kName{"framing"};

  Verdict operator()(Packet& packet, PathContext&) const {
    return packet.session->where.framing == abi::Framing::kNone ? Verdict::go_on() : add(packet);
  }

 private:
  static Verdict add(Packet& packet);
};
inline constexpr AddFraming add_framing;

}  // namespace culvert::steps
