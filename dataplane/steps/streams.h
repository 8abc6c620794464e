// Commands and the connections that sessions live on (TCP).
#pragma once

#include "dataplane/session/apply.h"
#include "dataplane/steps/context.h"

namespace culvert::steps {

/// Carries out one command: on the table (session::apply), or kCloseStream on its port. Ports are told which of their
/// connections have a session.
session::Applied apply_with_streams(dataplane::PathContext& context, const abi::Command& command);

/// `port` is the one under number `index` from now on: it is told which of its connections have a session, and control
/// which sessions of that number have no connection there, as after a dataplane that could not leave any.
void claim_streams(dataplane::PathContext& context, uint16_t index, drivers::Port& port);

/// Control speaks into a connection that is not there, and seems not to know: it is told again. Of a handshake's end
/// the dataplane before may have told nobody.
void tell_if_gone(dataplane::PathContext& context, const abi::PacketMessage& message);

}  // namespace culvert::steps
