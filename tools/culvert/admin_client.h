// Asks a running gateway over RUN_DIR/admin.sock.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "dataplane/abi/result.h"

namespace culvert::cli {

/// Sends `request` and returns the answer's data. The error is the gateway's own text, or says why it can't be reached
/// and the way out.
Result<nlohmann::ordered_json> ask(const std::string& run_dir, const nlohmann::ordered_json& request,
                                   std::chrono::milliseconds within = std::chrono::seconds(5));

}  // namespace culvert::cli
