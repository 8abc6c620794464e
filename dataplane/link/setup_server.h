// The dataplane's end of the setup socket (abi/setup.h): lets one control attach and does what it asks. Runs in the
// main thread; never blocks; a peer that is silent, wrong or hostile costs nothing but its own connection.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "dataplane/abi/setup.h"
#include "dataplane/link/newcomers.h"

namespace culvert::dataplane {

/// Carries requests out. What arrives here has passed validation: texts end, numbers are in range. The text of a Result
/// goes to control: a note on success (the TUN's name), what went wrong otherwise.
class SetupHandler {
 public:
  virtual ~SetupHandler() = default;
  virtual Result<std::string> open_port(const abi::OpenPort& request) = 0;
  /// The text is the number of the open port with the request's `local` and `device`, or empty.
  virtual Result<std::string> find_port(const abi::OpenPort& request) = 0;
  virtual Result<std::string> keep_ports(const abi::KeepPorts& request) = 0;
  virtual Result<std::string> open_tun(const abi::OpenTun& request) = 0;
};

class SetupServer {
 public:
  struct Options {
    Allowed allowed;
    std::vector<int> handover;                         ///< descriptors that go with the answer to Hello
    std::function<void(const std::string&)> log = {};  ///< one line per call; may be empty
  };

  /// `listener` from listen_on. `handler` outlives the server.
  SetupServer(drivers::FileDescriptor listener, Options options, SetupHandler& handler);

  /// Descriptor that turns readable when serve() has something to do.
  int wake_fd() const { return newcomers_.wake_fd(); }
  /// Does what is ready, and closes connections that said no Hello in time. `now_ns`: CLOCK_MONOTONIC.
  void serve(uint64_t now_ns);
  /// CLOCK_MONOTONIC time at which serve() is wanted even when nothing arrives; UINT64_MAX: never.
  uint64_t deadline_ns() const { return newcomers_.deadline_ns(); }
  bool is_attached() const { return static_cast<bool>(control_.fd); }

 private:
  void serve_newcomer(int fd);
  void serve_control();
  void greet(Connection connection, const abi::Request& request);
  Result<std::string> carry_out(const abi::Request& request);
  void log(const std::string& line) const;

  Options options_;
  SetupHandler& handler_;
  Newcomers newcomers_;
  Connection control_;
};

}  // namespace culvert::dataplane
