// Which packets `culvert trace` and `culvert capture` look at, as their options say.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "dataplane/abi/result.h"
#include "dataplane/abi/trace.h"

namespace culvert::cli {

struct TraceFilter {
  std::string session;    ///< as `culvert session show` takes it; empty: all
  std::string remote;     ///< outer address of a client; empty: all
  std::string direction;  ///< "from-client", "to-client" or "both"
  std::string reason;     ///< of a drop; empty: any
  bool drops = false;
  uint32_t every = 1;

  void add_to(CLI::App& command);
  /// The request that stands for it; the session is looked up by asking control of `run_dir`. Errors are for the
  /// operator.
  Result<abi::TraceRequest> request(const std::string& run_dir) const;
};

}  // namespace culvert::cli
