// What the kernel says about routes, neighbours and interfaces (rtnetlink, libnl-route): told to a RouteMirror, live.
// Main thread only.
#pragma once

#include <netlink/object.h>
#include <netlink/socket.h>

#include <functional>
#include <memory>
#include <string>

#include "dataplane/abi/result.h"
#include "drivers/nic/route_mirror.h"

namespace culvert::drivers {

class KernelWatch {
 public:
  struct Interface {
    int index;
    std::string name;
    bool exists;
    bool is_up;     ///< set up by the operator (IFF_UP)
    bool has_link;  ///< with carrier (IFF_LOWER_UP)
    uint32_t mtu;   ///< bytes
  };
  using OnInterface = std::function<void(const Interface&)>;

  /// Reads all there is, then listens. `mirror` outlives the watch. `on_interface` is called for every interface, and
  /// again for each that changes.
  static Result<std::unique_ptr<KernelWatch>> make(RouteMirror& mirror, OnInterface on_interface);

  /// Turns readable when the kernel has news.
  int wake_fd() const;
  /// Takes what there is. News that were lost (the socket's buffer overflowed), and changes that the kernel makes
  /// without saying which routes went with them, lead to reading everything again.
  Status serve();
  /// Has the kernel ask whether the neighbour is still there.
  void probe(const RouteMirror::Neighbour& neighbour);
  /// Has the kernel forget the neighbours behind `interface` that it looks for in vain, so that the next packet makes
  /// it ask at once: while a link is down it asks a dead wire, and after that only once a second. Failures are the
  /// kernel's to overcome: it then takes that second.
  static void forget_unresolved(int interface);

 private:
  struct FreeSocket {
    void operator()(nl_sock* socket) const { nl_socket_free(socket); }
  };
  using Socket = std::unique_ptr<nl_sock, FreeSocket>;

  KernelWatch(RouteMirror& mirror, OnInterface on_interface)
      : route_mirror_(mirror), on_interface_(std::move(on_interface)) {}
  Status open();
  Status read_everything();
  bool is_passing(int error);
  Status dump(int type, int family);
  static int on_message(nl_msg* message, void* self);
  static void on_object(nl_object* object, void* call);

  RouteMirror& route_mirror_;
  OnInterface on_interface_;
  Socket socket_;
  Socket requests_;
  bool must_read_again_ = false;
};

}  // namespace culvert::drivers
