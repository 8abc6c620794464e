// What culvert.toml and all server blocks have a say in: one TUN, one identity, one session table, one machine's ports.
#pragma once

#include "control/config/load.h"

namespace culvert::config {

/// Decides, and reports what does not go together. The server blocks have been read without error.
void plan_together(Configuration& made, Report& report);

}  // namespace culvert::config
