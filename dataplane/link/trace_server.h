// The dataplane's end of the trace socket (abi/trace.h): lets one operator at a time look at packets. Runs in the main
// thread, never blocks; a peer that is silent, wrong or hostile costs nothing but its own connection.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/link/newcomers.h"
#include "dataplane/link/trace_memory.h"
#include "dataplane/steps/trace.h"

namespace culvert::dataplane {

/// Null when the request can be carried out; otherwise what is wrong with it.
const char* why_not_traceable(const abi::TraceRequest& request);

class TraceServer {
 public:
  struct Options {
    Allowed allowed;
    std::vector<steps::TraceMailbox*> workers;  ///< by index; they outlive the server
    std::vector<int> doorbells;                 ///< wake each of them
    std::function<void(const std::string&)> log = {};
  };

  /// `listener` from listen_on.
  TraceServer(drivers::FileDescriptor listener, Options options);

  /// Descriptor that turns readable when serve() has something to do.
  int wake_fd() const { return newcomers_.wake_fd(); }
  void serve(uint64_t now_ns);
  /// CLOCK_MONOTONIC time at which serve() is wanted even when nothing arrives; UINT64_MAX: never.
  uint64_t deadline_ns() const;
  bool is_tracing() const { return active_.memory != nullptr; }

  static constexpr uint64_t kRetireEvery = 5'000'000;  ///< ns between two looks whether workers have let go

 private:
  struct Trace {
    Connection connection;
    std::unique_ptr<TraceMemory> memory;
  };

  void serve_newcomer(int fd);
  void start(Connection connection, const abi::TraceRequest& request);
  void stop();
  void retire();
  void tell_workers(TraceMemory* memory);
  void log(const std::string& line) const;

  Options options_;
  Newcomers newcomers_;
  Trace active_;               ///< without memory: none
  Trace retiring_;             ///< its end is said, workers may still use its memory
  uint64_t retire_at_ns_ = 0;  ///< when to look again whether they do
};

}  // namespace culvert::dataplane
