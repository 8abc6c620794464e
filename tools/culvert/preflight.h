// What must be true before `culvert up` starts anything; each error says the way out.
#pragma once

#include "control/config/load.h"
#include "control/io/privileges.h"
#include "dataplane/abi/result.h"

namespace culvert::cli {

/// CAP_NET_ADMIN and /dev/net/tun.
Status check_machine();

/// Reads culvert.toml and all it names. When there are errors, all findings are printed on standard error and the error
/// sums them up; mere warnings are left to control, which logs them at its start.
Result<config::Configuration> check_configuration(const std::string& path);

}  // namespace culvert::cli
