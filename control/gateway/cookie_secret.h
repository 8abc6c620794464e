// The secret behind stateless cookies, kept in the run dir: a control that starts again must still accept the cookies
// that the one before gave out.
#pragma once

#include <array>
#include <string>

#include "control/now.h"
#include "dataplane/abi/result.h"

namespace culvert::gateway {

/// Reads RUN_DIR/cookie-secret, or makes it (0600).
Result<std::array<uint8_t, 32>> cookie_secret(const std::string& run_dir, Random& random);

}  // namespace culvert::gateway
