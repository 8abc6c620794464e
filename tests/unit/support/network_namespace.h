// A network of the test's own: loopback only, gone with the object. Needs root.
#pragma once

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "drivers/file_descriptor.h"

namespace culvert::testing {

/// Moves the calling thread (and threads it starts from now on) into a fresh network namespace until it is destroyed.
class NetworkNamespace {
 public:
  NetworkNamespace() : before_(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) {
    if (unshare(CLONE_NEWNET) != 0) {
      why_not_ = std::string("no network namespace here: ") + std::strerror(errno);
      return;
    }
    entered_ = true;
    drivers::FileDescriptor any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq loopback{};
    std::strcpy(loopback.ifr_name, "lo");
    loopback.ifr_flags = IFF_UP;
    if (ioctl(any.get(), SIOCSIFFLAGS, &loopback) != 0)
      why_not_ = std::string("loopback stays down: ") + std::strerror(errno);
  }
  ~NetworkNamespace() {
    if (entered_) setns(before_.get(), CLONE_NEWNET);
  }
  NetworkNamespace(const NetworkNamespace&) = delete;
  NetworkNamespace& operator=(const NetworkNamespace&) = delete;

  /// Empty when it works, else why not: the reason to skip.
  const std::string& why_not() const { return why_not_; }

 private:
  drivers::FileDescriptor before_;
  bool entered_ = false;
  std::string why_not_;
};

}  // namespace culvert::testing
