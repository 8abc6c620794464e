// The dataplane's end of the setup socket (abi/setup.h): lets one control attach and does what it asks. Runs in the
// main thread; never blocks; a peer that is silent, wrong or hostile costs nothing but its own connection.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "dataplane/abi/setup.h"
#include "dataplane/link/setup_socket.h"

namespace culvert::dataplane {

/// Carries requests out. What arrives here has passed validation: texts end, numbers are in range. The text of a Result
/// goes to control: a note on success (the TUN's name), what went wrong otherwise.
class SetupHandler {
 public:
  virtual ~SetupHandler() = default;
  virtual Result<std::string> open_port(const abi::OpenPort& request) = 0;
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
  int wake_fd() const { return epoll_.get(); }
  /// Does what is ready, and closes connections that said no Hello within kHelloDeadline. `now_ns`: CLOCK_MONOTONIC.
  void serve(uint64_t now_ns);
  /// CLOCK_MONOTONIC time at which serve() is wanted even when nothing arrives; UINT64_MAX: never.
  uint64_t deadline_ns() const;
  bool is_attached() const { return static_cast<bool>(control_.fd); }

  static constexpr uint64_t kHelloDeadline = 5'000'000'000;  ///< nanoseconds
  static constexpr size_t kMaxPending = 8;  ///< connections without Hello; a ninth pushes the oldest out

 private:
  struct Connection {
    drivers::FileDescriptor fd;
    Peer peer{};
    uint64_t deadline_ns = 0;
  };

  void accept_all(uint64_t now_ns);
  void serve_pending(int fd);
  void serve_control();
  void greet(Connection connection, const abi::Request& request);
  Result<std::string> carry_out(const abi::Request& request);
  bool watch(int fd);
  void log(const std::string& line) const;

  drivers::FileDescriptor listener_;
  Options options_;
  SetupHandler& handler_;
  drivers::FileDescriptor epoll_;
  std::vector<Connection> pending_;
  Connection control_;
};

}  // namespace culvert::dataplane
