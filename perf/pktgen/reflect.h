// The other end of a wire that does nothing but send back: what ports and copies cost without a gateway.
#pragma once

#include "perf/pktgen/net_port.h"
#include "perf/pktgen/options.h"

namespace culvert::pktgen {

/// Opens the ports that `options` names (either may be missing) and returns every frame to where it came from, until
/// SIGTERM or SIGINT. EAL runs.
Status reflect(const Options& options, rte_mempool* packets);

}  // namespace culvert::pktgen
