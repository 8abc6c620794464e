// Notices when somebody sets the TUN down and up again: the kernel takes its IPv6 addresses and all routes into it with
// the first, and gives back none of them with the second.
#pragma once

#include <span>

#include "dataplane/abi/result.h"
#include "drivers/file_descriptor.h"

namespace culvert::drivers {

class TunWatch {
 public:
  /// Hears of interfaces of this network namespace from now on. Error: no netlink socket.
  static Result<TunWatch> open();

  /// The interface to look at from now on, by its index; it is up.
  void follow(unsigned index);
  /// Turns readable when an interface has changed.
  int wake_fd() const { return socket_.get(); }
  /// Takes what there is. True: the interface has come up since the last call, or may have (there was news that the
  /// socket had no room for).
  bool came_up();

 private:
  bool read(std::span<const char> bytes);

  FileDescriptor socket_;  ///< non-blocking
  unsigned index_ = 0;
  bool is_up_ = true;  ///< of index_, as of the last news
};

}  // namespace culvert::drivers
