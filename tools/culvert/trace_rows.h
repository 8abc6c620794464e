// What the dataplane says of a packet, as `culvert trace` prints it.
#pragma once

#include <map>
#include <string>

#include "control/admin/rows.h"
#include "dataplane/abi/trace.h"

namespace culvert::cli {

/// The row of an entry that is_sane(). `wall_ns`: its time in nanoseconds since 1970. `name`: of its session's client,
/// empty when it is not known.
admin::TraceRow trace_row(const abi::TraceEntry& entry, uint32_t worker, uint64_t wall_ns, const std::string& name);

/// Common names by session, asked of control when a session is met for the first time; where control does not answer,
/// nobody has a name.
class SessionNames {
 public:
  explicit SessionNames(std::string run_dir) : run_dir_(std::move(run_dir)) {}
  std::string of(const abi::SessionRef& session);

 private:
  std::string run_dir_;
  std::map<abi::SessionRef, std::string> names_;
};

/// What is to be added to CLOCK_MONOTONIC to have the time since 1970, in nanoseconds, as things are now.
uint64_t wall_offset_ns();

}  // namespace culvert::cli
