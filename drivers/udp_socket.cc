#include "drivers/udp_socket.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "dataplane/abi/endpoint_text.h"
#include "drivers/socket_address.h"

namespace culvert::drivers {
namespace {

Status set_option(int fd, int level, int option, int value) {
  if (setsockopt(fd, level, option, &value, sizeof value) == 0) return {};
  return Error{std::strerror(errno)};
}

/// Asks for a buffer of `wanted` bytes, past the sysctl limit when permitted. Returns a warning when the kernel gives
/// less.
std::string size_buffer(int fd, int force, int plain, uint32_t wanted, const char* sysctl) {
  int size = static_cast<int>(wanted < (1u << 30) ? wanted : 1u << 30);
  if (!set_option(fd, SOL_SOCKET, force, size)) (void)set_option(fd, SOL_SOCKET, plain, size);
  int got = 0;
  socklen_t length = sizeof got;
  getsockopt(fd, SOL_SOCKET, plain, &got, &length);
  got /= 2;  // The kernel doubles the number for its own bookkeeping (socket(7), SO_RCVBUF).
  if (got >= size) return {};
  return "asked for a socket buffer of " + std::to_string(size) + " bytes and got " + std::to_string(got) + ": raise " +
         sysctl + ", or run with CAP_NET_ADMIN";
}

/// What a refused bind means to the operator.
std::string bind_error(const UdpSettings& settings, int reason) {
  std::string port = std::to_string(settings.local.port);
  switch (reason) {
    case EADDRINUSE:
      return "port " + port + " is taken by another program; find it with: ss -lunp 'sport = :" + port + "'";
    case EADDRNOTAVAIL:
      return "this machine does not have the address (ip address shows those it has)";
    case EACCES:
      return "ports below 1024 need CAP_NET_BIND_SERVICE";
    default:
      return std::strerror(reason);
  }
}

Status apply_options(int fd, int family, const UdpSettings& settings) {
  if (family == AF_INET6) {
    if (auto done = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, settings.ipv6_only); !done) return done;
    if (auto done = set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1); !done) return done;
  } else {
    if (auto done = set_option(fd, IPPROTO_IP, IP_PKTINFO, 1); !done) return done;
  }
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

}  // namespace

std::string udp_name(const abi::Endpoint& local) {
  return "udp " + abi::to_text(local);
}

Result<UdpSocket> open_udp_socket(const UdpSettings& settings) {
  auto fail = [&](const std::string& what) { return Error{udp_name(settings.local) + ": " + what}; };
  if (settings.local.address.family == abi::Family::kNone) return fail("an outer port needs an IPv4 or IPv6 address");

  UdpSocket udp;
  udp.family = settings.local.address.family == abi::Family::kIpv4 ? AF_INET : AF_INET6;
  udp.fd = FileDescriptor(socket(udp.family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP));
  if (!udp.fd)
    return fail(errno == EAFNOSUPPORT ? "the kernel has no support for this address family" : std::strerror(errno));
  int fd = udp.fd.get();
  if (auto done = apply_options(fd, udp.family, settings); !done) return fail(done.error());

  auto warn = [&](std::string warning) {
    if (!warning.empty()) udp.warnings.push_back(udp_name(settings.local) + ": " + std::move(warning));
  };
  uint32_t receive = settings.receive_buffer ? settings.receive_buffer : kDefaultSocketBuffer;
  uint32_t send = settings.send_buffer ? settings.send_buffer : kDefaultSocketBuffer;
  warn(size_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, receive, "sysctl net.core.rmem_max"));
  warn(size_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, send, "sysctl net.core.wmem_max"));

  SocketAddress address;
  socklen_t length = to_socket_address(settings.local, udp.family, address);
  if (bind(fd, &address.any, length) != 0) return fail(bind_error(settings, errno));
  if (getsockname(fd, &address.any, &length) != 0) return fail(std::strerror(errno));
  udp.local = settings.local;
  udp.local.port = from_socket_address(address).port;
  return udp;
}

}  // namespace culvert::drivers
