#include "dataplane/steps/streams.h"

namespace culvert::steps {
namespace {

using abi::CommandKind;
using dataplane::PathContext;
using session::Applied;

/// The connection that a session lives on; stream 0: none.
struct Home {
  uint16_t port = 0;
  uint64_t stream = 0;

  friend bool operator==(const Home&, const Home&) = default;
};

Home home_of(PathContext& context, uint32_t peer_id) {
  const session::Session* session = context.table->find(peer_id);
  // Another worker's connections are none of this one's ports.
  if (session == nullptr || !context.table->owns(*session)) return {};
  if (session->where.remote.transport != abi::Transport::kTcp) return {};
  return {session->where.port, session->where.remote.stream};
}

Applied close_stream(PathContext& context, const abi::StreamRef& ref) {
  if (ref.port >= abi::kMaxPorts || ref.remote.transport != abi::Transport::kTcp) return Applied::kInvalid;
  context.transmit.flush();  // what control has said before goes first
  if (drivers::Port* port = context.transmit.outer(ref.port))
    port->close_stream(ref.remote.stream, false, context.tally);
  return Applied::kDone;
}

}  // namespace

Applied apply_with_streams(PathContext& context, const abi::Command& command) {
  if (command.kind == CommandKind::kCloseStream) return close_stream(context, command.body.stream);
  uint32_t peer_id = command.session.peer_id;
  Home before = home_of(context, peer_id);
  Applied applied = session::apply(*context.table, context.aead, command, context.now_ns);
  Home after = home_of(context, peer_id);
  if (before != after && before.stream != 0)
    if (drivers::Port* port = context.transmit.outer(before.port)) port->keep_stream(before.stream, false);
  if (applied == Applied::kDone && command.kind == CommandKind::kInstallSession && after.stream != 0) {
    drivers::Port* port = context.transmit.outer(after.port);
    // It may have ended while the command was under way. A dataplane that takes over has its sessions before its ports.
    const bool gone = port != nullptr ? !port->keep_stream(after.stream, true) : context.transmit.has_outer();
    if (gone) context.events.stream_ended(context.table->at(peer_id).where.remote, after.port);
  }
  return applied;
}

void claim_streams(PathContext& context, uint16_t index, drivers::Port& port) {
  for (uint32_t peer_id : context.table->live()) {
    const Home home = home_of(context, peer_id);
    if (home.stream == 0 || home.port != index || port.keep_stream(home.stream, true)) continue;
    context.events.stream_ended(context.table->at(peer_id).where.remote, index);
  }
  context.events.flush();
}

void tell_if_gone(PathContext& context, const abi::PacketMessage& message) {
  if (message.remote.transport != abi::Transport::kTcp) return;
  const drivers::Port* port = context.transmit.outer(message.port);
  if (port == nullptr || port->has_stream(message.remote.stream)) return;
  context.events.stream_ended(message.remote, message.port);
  context.events.flush();
}

}  // namespace culvert::steps
