#include "dataplane/packet.h"
#include "dataplane/steps/steps.h"

namespace culvert::steps {
namespace {

bool has_room(const session::Where& session, PathContext& context) {
  drivers::Port* port = context.transmit.outer(session.port);
  return port == nullptr || port->has_room(session.remote.stream);
}

}  // namespace

void check_room(Burst& burst, PathContext& context) {
  burst.each([&](Packet& packet) {
    const session::Where& where = packet.session->where;
    if (where.remote.transport == abi::Transport::kUdp || has_room(where, context)) [[likely]]
      return Verdict::go_on();
    return Verdict::drop(abi::DropReason::tx_queue_full);
  });
}

}  // namespace culvert::steps
