#include "dataplane/packet.h"
#include "dataplane/steps/steps.h"

namespace culvert::steps {

void send_outer(Burst& burst, PathContext& context) {
  burst.each([&](Packet& packet) {
    settle(packet);
    const session::Session& session = *packet.session;
    PacketMeta& to = meta(packet.mbuf);
    to.remote = session.where.remote;
    to.local = session.send.local;
    to.port = session.where.port;
    return context.transmit.to_outer(to.port, packet.mbuf) ? Verdict::taken()
                                                           : Verdict::drop(abi::DropReason::tx_port_down);
  });
}

}  // namespace culvert::steps
