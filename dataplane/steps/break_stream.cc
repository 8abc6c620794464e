#include "dataplane/steps/step.h"

namespace culvert::steps {

void break_stream(const Packet& packet, PathContext& context) {
  const PacketMeta& from = meta(packet.mbuf);
  if (from.remote.transport != abi::Transport::kTcp) return;
  if (drivers::Port* port = context.transmit.outer(from.port))
    port->close_stream(from.remote.stream, true, context.tally);
}

}  // namespace culvert::steps
