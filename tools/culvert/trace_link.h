// The operator's end of the trace socket (dataplane/abi/trace.h).
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "control/io/fd.h"
#include "dataplane/abi/result.h"
#include "dataplane/abi/trace.h"

namespace culvert::cli {

/// A request for every packet, without its bytes.
abi::TraceRequest trace_everything();

class TraceLink {
 public:
  struct Sample {
    abi::TraceEntry entry;
    std::vector<uint8_t> bytes;
    uint32_t worker;
  };

  /// Asks the dataplane of `run_dir`; it looks at packets from now on, until this object goes. Errors: there is none,
  /// it may not be asked, somebody else does, or what it answers makes no sense.
  static Result<std::unique_ptr<TraceLink>> start(const std::string& run_dir, const abi::TraceRequest& request);
  ~TraceLink();
  TraceLink(const TraceLink&) = delete;
  TraceLink& operator=(const TraceLink&) = delete;

  /// What has come since the last call, in order of time; waits up to `timeout_ms` when there is nothing. Error: the
  /// dataplane is gone, or writes nonsense.
  Result<std::vector<Sample>> take(int timeout_ms);
  /// Packets that found the rings full.
  uint64_t lost() const;

 private:
  TraceLink() = default;
  Status map(int fd, const abi::TraceReply& reply);
  Result<std::vector<Sample>> read_all();

  io::Fd socket_;
  abi::TraceShape shape_;
  std::byte* base_ = nullptr;
  std::vector<abi::TraceReader> rings_;
};

}  // namespace culvert::cli
