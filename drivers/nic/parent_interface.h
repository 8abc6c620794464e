// The kernel's interface that an AF_PACKET or AF_XDP port sits on. The port has its MAC address, the twin its IP
// addresses; the interface itself must keep quiet, or the gateway would answer everything twice.
#pragma once

#include <netlink/socket.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "dataplane/abi/result.h"
#include "drivers/file_descriptor.h"

namespace culvert::drivers {

class ParentInterface {
 public:
  struct Settings {
    std::string name;
    uint32_t mtu = 1500;
    /// AF_PACKET: the kernel gets what the port gets, and must not let it reach its stack.
    bool also_received = false;
  };
  /// Takes the interface over, for this process alone: removes the XDP program that a port of an earlier life left,
  /// sets the interface up and its MTU, and, when `also_received`, lets nothing it receives reach the kernel's stack
  /// (an nftables chain that drops all, which goes away with this object or process). Needs CAP_NET_ADMIN. Errors with
  /// the way out: no such interface, another dataplane or XDP program has it, an MTU that its driver does not take.
  static Result<ParentInterface> take(const Settings& settings);
  ParentInterface(ParentInterface&& other) noexcept
      : name_(std::move(other.name_)),
        index_(other.index_),
        detaches_(std::exchange(other.detaches_, false)),
        mtu_(std::exchange(other.mtu_, {})),
        claim_(std::move(other.claim_)),
        filter_(std::move(other.filter_)) {}
  ParentInterface& operator=(ParentInterface&&) = delete;
  /// Detaches the XDP program of an AF_XDP port that is still there, and gives the interface the MTU back that it had,
  /// before a process that was killed as well (found_mtu.h), unless somebody has changed it since.
  ~ParentInterface();

  int index() const { return index_; }
  const std::string& name() const { return name_; }
  /// IP addresses that the interface has, and which should be the twin's: "192.0.2.1, 2001:db8::1", or nothing.
  std::string addresses() const;

 private:
  struct FreeSocket {
    void operator()(nl_sock* socket) const { nl_socket_free(socket); }
  };
  ParentInterface(std::string name, int index) : name_(std::move(name)), index_(index) {}
  Status claim();
  Status clear_of_xdp(bool may_stay);
  Status set_up(uint32_t mtu);
  void give_mtu_back(const std::string& name) const;
  Status shut_the_kernel_out();

  std::string name_;
  int index_;
  bool detaches_ = false;  ///< a program on it is ours, so that it goes when we go
  struct Mtu {
    int found = 0;
    int set = 0;  ///< 0: it was left as it was found
  };
  Mtu mtu_;
  FileDescriptor claim_;                         ///< as long as it is open, no other dataplane takes the interface
  std::unique_ptr<nl_sock, FreeSocket> filter_;  ///< owns the nftables table
};

}  // namespace culvert::drivers
