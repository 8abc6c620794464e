// Commands and the connections that sessions live on (TCP).
#pragma once

#include "dataplane/session/apply.h"
#include "dataplane/steps/context.h"

namespace culvert::steps {

/// Carries out one command: on the table (session::apply), or kCloseStream on its port. Ports are told which of their
/// connections have a session.
session::Applied apply_with_streams(dataplane::PathContext& context, const abi::Command& command);

}  // namespace culvert::steps
