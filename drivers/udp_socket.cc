#include "drivers/udp_socket.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "dataplane/abi/endpoint_text.h"

namespace culvert::drivers {
std::string udp_name(const abi::Endpoint& local) {
  return "udp " + abi::to_text(local);
}

Result<UdpSocket> open_udp_socket(const UdpSettings& settings) {
  auto fail = [&](const std::string& what) { return Error{udp_name(settings.local) + ": " + what}; };
  UdpSocket udp;
  udp.family = family_of(settings.local);
  if (udp.family == 0) return fail("an outer port needs an IPv4 or IPv6 address");
  udp.fd = FileDescriptor(socket(udp.family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP));
  if (!udp.fd)
    return fail(errno == EAFNOSUPPORT ? "the kernel has no support for this address family" : std::strerror(errno));
  int fd = udp.fd.get();
  if (auto done = apply_options(fd, udp.family, settings); !done) return fail(done.error());
  auto informed = udp.family == AF_INET6 ? set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
                                         : set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
  if (!informed) return fail(informed.error());

  auto warn = [&](std::string warning) {
    if (!warning.empty()) udp.warnings.push_back(udp_name(settings.local) + ": " + std::move(warning));
  };
  uint32_t receive = settings.receive_buffer ? settings.receive_buffer : kDefaultSocketBuffer;
  uint32_t send = settings.send_buffer ? settings.send_buffer : kDefaultSocketBuffer;
  warn(size_buffer(fd, Buffer::kReceive, receive));
  warn(size_buffer(fd, Buffer::kSend, send));
  if (auto bound = bind_to(fd, udp.family, settings.local, "-lunp"); !bound) return fail(bound.error());
  udp.offloads = turn_on_offloads(fd);
  udp.local = settings.local;
  udp.local.port = bound_port(fd);
  return udp;
}

Result<UdpSocket> adopt_udp_socket(const UdpSettings& settings, FileDescriptor fd) {
  if (!is_bound_to(fd.get(), SOCK_DGRAM, settings.local))
    return Error{udp_name(settings.local) + ": what was kept is another socket"};
  UdpSocket udp;
  udp.family = family_of(settings.local);
  udp.local = settings.local;
  udp.local.port = bound_port(fd.get());
  udp.offloads = turn_on_offloads(fd.get());
  udp.fd = std::move(fd);
  return udp;
}

}  // namespace culvert::drivers
