// Connections to a socket of the link that have not said yet what they want. Who may not attach, stays silent or comes
// in numbers costs nothing but its own connection.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/link/link_socket.h"

namespace culvert::dataplane {

struct Connection {
  drivers::FileDescriptor fd;
  Peer peer{};
};

class Newcomers {
 public:
  struct Options {
    Allowed allowed;
    std::string socket;                                ///< its name in the log: "setup", "trace"
    std::string refusal;                               ///< what who may not attach is told behind "uid N may not "
    std::function<void(const std::string&)> log = {};  ///< one line per call; may be empty
    std::function<void(int fd, const std::string& why)> refuse;  ///< says no in the socket's own words
  };

  /// `listener` from listen_on.
  Newcomers(drivers::FileDescriptor listener, Options options);

  /// Descriptor that turns readable when serve() has something to do.
  int wake_fd() const { return epoll_.get(); }
  /// Calls `ready` with each descriptor that is: of a newcomer, or of a connection that was taken and is still open.
  /// Then closes who has been silent for kSilence and lets in who waits. `now_ns`: CLOCK_MONOTONIC.
  void serve(uint64_t now_ns, const std::function<void(int fd)>& ready);
  /// CLOCK_MONOTONIC time at which serve() is wanted even when nothing arrives; UINT64_MAX: never.
  uint64_t deadline_ns() const;

  /// Takes a message of `fd` when that is a newcomer and has sent one. It is none any more then: what the caller does
  /// not keep is closed. kNothing, and no connection: it is not, or has not.
  std::pair<Received, std::optional<Connection>> take(int fd, std::span<std::byte> message);

  static constexpr uint64_t kSilence = 5'000'000'000;  ///< nanoseconds
  static constexpr size_t kMax = 8;                    ///< a ninth pushes the oldest out

 private:
  struct Newcomer {
    Connection connection;
    uint64_t deadline_ns;
  };

  void accept_all(uint64_t now_ns);
  bool watch(int fd);

  drivers::FileDescriptor listener_;
  Options options_;
  drivers::FileDescriptor epoll_;
  std::vector<Newcomer> pending_;
};

}  // namespace culvert::dataplane
