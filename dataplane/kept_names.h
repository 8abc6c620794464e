// Under which names sockets and TUN queues are kept for the next dataplane (descriptor_store.h). Whatever they were
// given when they were opened stands in the name: a dataplane that wants something else does not find them.
#pragma once

#include <string>
#include <vector>

#include "dataplane/port_settings.h"

namespace culvert::dataplane {

/// Of an outer port, one for each worker; of no port: none.
std::vector<std::string> kept_names(const OuterSettings& settings, size_t workers);
/// Of the TUN that was asked for under this name.
std::vector<std::string> kept_tun_names(const std::string& requested, size_t workers);

/// How the names of all begin that could be in the way of such a port, or of a TUN.
std::string kept_beginning(const OuterSettings& settings);
inline constexpr const char* kKeptTun = "tun ";

/// Connections of all TCP ports (carried_streams.h).
inline constexpr const char* kKeptStreams = "streams";

}  // namespace culvert::dataplane
