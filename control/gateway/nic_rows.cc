#include "control/gateway/nic_rows.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <string>

#include "control/io/fd.h"

namespace culvert::gateway {
namespace {

/// The dataplane shows a port's link as the carrier of its interface.
std::string state_of(const std::string& interface) {
  io::Fd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, interface.c_str(), sizeof request.ifr_name - 1);
  if (ioctl(any.get(), SIOCGIFFLAGS, &request) != 0) return "gone";
  if ((request.ifr_flags & IFF_UP) == 0) return "set down";
  return (request.ifr_flags & IFF_RUNNING) != 0 ? "link up" : "link down";
}

}  // namespace

std::vector<admin::PortRow> nic_rows(const std::vector<config::PortBlock>& ports) {
  std::vector<admin::PortRow> rows;
  for (size_t i = 0; i < ports.size(); ++i)
    rows.push_back({.port = static_cast<uint32_t>(i),
                    .kind = "nic",
                    .address = ports[i].name + " " + ports[i].device,
                    .state = state_of(ports[i].name),
                    .server = "",
                    .rx_missed = std::nullopt});
  return rows;
}

}  // namespace culvert::gateway
