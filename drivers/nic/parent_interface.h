// The kernel's interface that an AF_PACKET or AF_XDP port sits on. The port has its MAC address, the twin its IP
// addresses; the interface itself must keep quiet, or the gateway would answer everything twice.
#pragma once

#include <netlink/socket.h>

#include <memory>
#include <string>

#include "dataplane/abi/result.h"

namespace culvert::drivers {

class ParentInterface {
 public:
  /// Takes `name` over: removes an XDP program that a port of an earlier life left, sets the interface up, and, when
  /// `also_received` (AF_PACKET: the kernel gets what the port gets), lets nothing it receives reach the kernel's stack
  /// (an nftables chain that drops all, which goes away with this object or process). Needs CAP_NET_ADMIN. Errors with
  /// the way out.
  static Result<ParentInterface> take(const std::string& name, bool also_received);
  ParentInterface(ParentInterface&&) noexcept = default;
  ParentInterface& operator=(ParentInterface&&) = delete;
  /// Detaches an XDP program that is still there.
  ~ParentInterface();

  int index() const { return index_; }
  const std::string& name() const { return name_; }

 private:
  struct FreeSocket {
    void operator()(nl_sock* socket) const { nl_socket_free(socket); }
  };
  ParentInterface(std::string name, int index) : name_(std::move(name)), index_(index) {}
  Status set_up() const;
  Status shut_the_kernel_out();

  std::string name_;
  int index_;
  std::unique_ptr<nl_sock, FreeSocket> filter_;  ///< owns the nftables table
};

}  // namespace culvert::drivers
