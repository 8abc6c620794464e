// The netlink half of configuring a TUN device (libnl-route).
#pragma once

#include <netlink/socket.h>

#include <memory>
#include <string>

#include "drivers/tun_device.h"

namespace culvert::drivers {

class TunNetlink {
 public:
  /// Talks to the kernel about interface `name` of this network namespace. Error: no such interface.
  static Result<TunNetlink> open(const std::string& name);

  /// No link-local address, MTU, queue length, up.
  Status set_link(const TunSettings& settings);
  /// Exactly the addresses of `settings`: adds what is missing, takes away what is not in it.
  Status set_addresses(const TunSettings& settings);

 private:
  struct FreeSocket {
    void operator()(nl_sock* socket) const { nl_socket_free(socket); }
  };
  Status add_address(const abi::IpAddress& address, uint8_t prefix);

  std::unique_ptr<nl_sock, FreeSocket> socket_;
  int index_ = 0;
};

}  // namespace culvert::drivers
