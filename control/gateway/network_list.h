// The networks behind a session as they stand in the link, for the control that takes over (abi::NetworkList).
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "dataplane/abi/session_record.h"

namespace culvert::gateway {

/// Writes the list of a life of a session, before the record that says it is there. No worker routes more than
/// abi::kMaxSessionRoutes of them, and refuses the others with an event, so those are left out.
void write_networks(abi::NetworkList& list, uint32_t generation, std::span<const abi::InnerPrefix> networks);

/// The networks that the life `generation` still has, in the order in which they were written. None: the list is
/// another life's, or holds what no control writes, so that a dataplane (or chance) has.
std::optional<std::vector<abi::InnerPrefix>> read_networks(const abi::NetworkList& list, uint32_t generation);

/// Another session has the network now. A list of another life stays as it is.
void take_away(abi::NetworkList& list, uint32_t generation, const abi::InnerPrefix& network);

}  // namespace culvert::gateway
