#include "drivers/tcp_socket.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "dataplane/abi/endpoint_text.h"

namespace culvert::drivers {

std::string tcp_name(const abi::Endpoint& local) {
  return "tcp " + abi::to_text(local);
}

Result<TcpSocket> open_tcp_socket(const TcpSettings& settings) {
  constexpr int kBacklog = 1024;
  auto fail = [&](const std::string& what) { return Error{tcp_name(settings.local) + ": " + what}; };
  int family = family_of(settings.local);
  if (family == 0) return fail("an outer port needs an IPv4 or IPv6 address");

  TcpSocket tcp;
  tcp.fd = FileDescriptor(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!tcp.fd)
    return fail(errno == EAFNOSUPPORT ? "the kernel has no support for this address family" : std::strerror(errno));
  int fd = tcp.fd.get();
  if (auto done = apply_options(fd, family, settings); !done) return fail(done.error());
  // Connections of the dataplane before may still be in TIME_WAIT.
  if (auto done = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1); !done) return fail(done.error());
  // Accepted connections inherit the buffers.
  for (auto [which, wanted] :
       {std::pair{Buffer::kReceive, settings.receive_buffer}, std::pair{Buffer::kSend, settings.send_buffer}}) {
    if (wanted == 0) continue;
    std::string warning = size_buffer(fd, which, wanted);
    if (!warning.empty()) tcp.warnings.push_back(tcp_name(settings.local) + ": " + warning);
  }
  if (auto bound = bind_to(fd, family, settings.local, "-ltnp"); !bound) return fail(bound.error());
  if (listen(fd, kBacklog) != 0) return fail(std::strerror(errno));
  tcp.local = settings.local;
  tcp.local.port = bound_port(fd);
  return tcp;
}

Result<TcpSocket> adopt_tcp_socket(const TcpSettings& settings, FileDescriptor fd) {
  if (!is_bound_to(fd.get(), SOCK_STREAM, settings.local))
    return Error{tcp_name(settings.local) + ": what was kept is another socket"};
  TcpSocket tcp;
  tcp.local = settings.local;
  tcp.local.port = bound_port(fd.get());
  tcp.fd = std::move(fd);
  return tcp;
}

}  // namespace culvert::drivers
