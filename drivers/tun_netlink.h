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
  /// What becomes of an address or route that the settings do not have.
  enum class Surplus : uint8_t { kRemove, kKeep };
  /// Adds the addresses of `settings` that are missing. Returns how many.
  Result<size_t> set_addresses(const TunSettings& settings, Surplus surplus);
  /// Likewise routes. Surplus are those that we made ourselves (kRouteProtocol); others are left alone in any case.
  Result<size_t> set_routes(const TunSettings& settings, Surplus surplus);

  /// What our routes are marked with (`ip route` shows it as "proto 67"); not one that another program is known to use
  /// (iproute2, rt_protos).
  static constexpr uint8_t kRouteProtocol = 67;

 private:
  struct FreeSocket {
    void operator()(nl_sock* socket) const { nl_socket_free(socket); }
  };
  Status add_address(const abi::IpAddress& address, uint8_t prefix);
  Status add_route(const abi::TunRoute& route);

  std::unique_ptr<nl_sock, FreeSocket> socket_;
  int index_ = 0;
};

}  // namespace culvert::drivers
