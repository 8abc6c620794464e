#include "drivers/socket_options.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "drivers/socket_address.h"

namespace culvert::drivers {
namespace {

/// What a refused bind means to the operator.
std::string bind_error(const abi::Endpoint& local, const char* listed_by, int reason) {
  std::string port = std::to_string(local.port);
  switch (reason) {
    case EADDRINUSE:
      return "port " + port + " is taken by another program; find it with: ss " + listed_by + " 'sport = :" + port +
             "'";
    case EADDRNOTAVAIL:
      return "this machine does not have the address (ip address shows those it has)";
    case EACCES:
      return "ports below 1024 need CAP_NET_BIND_SERVICE";
    default:
      return std::strerror(reason);
  }
}

}  // namespace

Status set_option(int fd, int level, int option, int value) {
  if (setsockopt(fd, level, option, &value, sizeof value) == 0) return {};
  return Error{std::strerror(errno)};
}

int family_of(const abi::Endpoint& local) {
  switch (local.address.family) {
    case abi::Family::kIpv4:
      return AF_INET;
    case abi::Family::kIpv6:
      return AF_INET6;
    case abi::Family::kNone:
      break;
  }
  return 0;
}

Status apply_options(int fd, int family, const SocketSettings& settings) {
  if (family == AF_INET6)
    if (auto done = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, settings.ipv6_only); !done) return done;
  if (settings.is_shared)
    if (auto done = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1); !done) return done;
  if (settings.mark != 0 && setsockopt(fd, SOL_SOCKET, SO_MARK, &settings.mark, sizeof settings.mark) != 0)
    return Error{"cannot set mark " + std::to_string(settings.mark) + ": " + std::strerror(errno) +
                 (errno == EPERM ? " (needs CAP_NET_ADMIN)" : "")};
  if (!settings.device.empty() && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, settings.device.c_str(),
                                             static_cast<socklen_t>(settings.device.size())) != 0)
    return Error{
        "cannot bind to device '" + settings.device + "': " +
        (errno == ENODEV ? "there is no such interface (ip link shows those there are)" : std::strerror(errno))};
  return {};
}

std::string size_buffer(int fd, Buffer which, uint32_t wanted) {
  bool receive = which == Buffer::kReceive;
  int plain = receive ? SO_RCVBUF : SO_SNDBUF;
  int size = static_cast<int>(wanted < (1u << 30) ? wanted : 1u << 30);
  if (!set_option(fd, SOL_SOCKET, receive ? SO_RCVBUFFORCE : SO_SNDBUFFORCE, size))
    (void)set_option(fd, SOL_SOCKET, plain, size);
  int got = 0;
  socklen_t length = sizeof got;
  getsockopt(fd, SOL_SOCKET, plain, &got, &length);
  got /= 2;  // The kernel doubles the number for its own bookkeeping (socket(7), SO_RCVBUF).
  if (got >= size) return {};
  return "asked for a socket buffer of " + std::to_string(size) + " bytes and got " + std::to_string(got) +
         ": raise sysctl net.core." + (receive ? "rmem_max" : "wmem_max") + ", or run with CAP_NET_ADMIN";
}

Status bind_to(int fd, int family, const abi::Endpoint& local, const char* listed_by) {
  SocketAddress address;
  socklen_t length = to_socket_address(local, family, address);
  if (bind(fd, &address.any, length) == 0) return {};
  return Error{bind_error(local, listed_by, errno)};
}

bool is_bound_to(int fd, int type, const abi::Endpoint& local) {
  int real = 0;
  socklen_t size = sizeof real;
  SocketAddress address{};
  socklen_t length = sizeof address;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &real, &size) != 0 || real != type ||
      getsockname(fd, &address.any, &length) != 0)
    return false;
  SocketAddress wanted;
  to_socket_address(local, family_of(local), wanted);
  const abi::Endpoint is = from_socket_address(address);
  const abi::Endpoint should_be = from_socket_address(wanted);
  return address.any.sa_family == wanted.any.sa_family && is.address == should_be.address &&
         (local.port == 0 || is.port == local.port);
}

uint16_t bound_port(int fd) {
  SocketAddress address{};
  socklen_t length = sizeof address;
  return getsockname(fd, &address.any, &length) == 0 ? from_socket_address(address).port : 0;
}

}  // namespace culvert::drivers
