// The dataplane's end of the trace socket (abi/trace.h): lets one operator at a time look at packets. Runs in the main
// thread, never blocks; a peer that is silent, wrong or hostile costs nothing but its own connection.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/link/setup_socket.h"
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
  int wake_fd() const { return epoll_.get(); }
  void serve(uint64_t now_ns);
  /// CLOCK_MONOTONIC time at which serve() is wanted even when nothing arrives; UINT64_MAX: never.
  uint64_t deadline_ns() const;
  bool is_tracing() const { return active_.memory != nullptr; }

  static constexpr uint64_t kRequestWithin = 5'000'000'000;  ///< ns from connect to request
  static constexpr uint64_t kRetireEvery = 5'000'000;        ///< ns between two looks whether workers have let go
  static constexpr size_t kMaxPending = 8;                   ///< connections without a request

 private:
  struct Connection {
    drivers::FileDescriptor fd;
    Peer peer{};
    uint64_t deadline_ns = 0;
    std::unique_ptr<TraceMemory> memory;
  };

  void accept_all(uint64_t now_ns);
  void serve_pending(int fd);
  void start(Connection connection, const abi::TraceRequest& request);
  void stop();
  void retire();
  void tell_workers(TraceMemory* memory);
  void log(const std::string& line) const;

  drivers::FileDescriptor listener_;
  Options options_;
  drivers::FileDescriptor epoll_;
  std::vector<Connection> pending_;
  Connection active_;    ///< with memory
  Connection retiring_;  ///< its end is said, workers may still use its memory
};

}  // namespace culvert::dataplane
