#include "tools/culvert/preflight.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "control/crypto/tls.h"
#include "control/io/fd.h"

namespace culvert::cli {
namespace {

bool have_net_admin() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  return syscall(SYS_capget, &header, sets.data()) == 0 && (sets[0].effective & (1u << CAP_NET_ADMIN)) != 0;
}

}  // namespace

Status check_machine() {
  if (!have_net_admin())
    return Error{
        "needs root (CAP_NET_ADMIN) for the TUN device and its addresses: run it with sudo, or as a systemd unit"};
  io::Fd tun(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  if (!tun)
    return Error{
        std::string("/dev/net/tun: ") + std::strerror(errno) +
        ": on a machine, modprobe tun; in a container, start it with --device /dev/net/tun --cap-add NET_ADMIN"};
  return {};
}

Result<config::Configuration> check_configuration(const std::string& path) {
  config::DiskLoader loader;
  config::Report report;
  auto configuration = config::load(path, loader, report);
  if (!report.ok() || !configuration) {
    for (const config::Diagnostic& diagnostic : report.all())
      std::fprintf(stderr, "%s\n", config::to_text(diagnostic).c_str());
    return Error{path + ": " + std::to_string(report.errors()) + " error(s), listed above: correct them and try again"};
  }
  for (const config::ServerConfig& server : configuration->servers)
    if (auto context = crypto::TlsContext::make(server.tls); !context)
      return Error{server.file + ": " + context.error()};
  return std::move(*configuration);
}

}  // namespace culvert::cli
