// NIC ports as the operator sees them: what the configuration names, and how its interface in the kernel is.
#pragma once

#include <vector>

#include "control/admin/rows.h"
#include "control/config/appliance.h"

namespace culvert::gateway {

/// One row for each [[port]]. State: "link up", "link down", "set down", or "gone" when the dataplane has no such port.
std::vector<admin::PortRow> nic_rows(const std::vector<config::PortBlock>& ports);

}  // namespace culvert::gateway
