#include "drivers/nic/twin.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "drivers/file_descriptor.h"
#include "drivers/nic/tap_twin.h"
#include "drivers/nic/vhost_twin.h"
#include "drivers/tun_netlink.h"

namespace culvert::drivers {
namespace {

/// One RTM_NEWLINK for the interface with the attributes that `put` adds to it.
Status change_link(int index, const std::string& trouble, const auto& put) {
  auto fail = [&](const char* what) { return Error{trouble + ": " + what}; };
  std::unique_ptr<nl_sock, decltype(&nl_socket_free)> socket(nl_socket_alloc(), nl_socket_free);
  std::unique_ptr<nl_msg, decltype(&nlmsg_free)> message(nlmsg_alloc_simple(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK),
                                                         nlmsg_free);
  if (!socket || !message) return fail("no memory");
  if (int error = nl_connect(socket.get(), NETLINK_ROUTE); error < 0) return fail(nl_geterror(error));
  ifinfomsg interface {};
  interface.ifi_index = index;
  nlmsg_append(message.get(), &interface, sizeof interface, NLMSG_ALIGNTO);
  put(message.get());
  int error = nl_send_auto(socket.get(), message.get());
  if (error >= 0) error = nl_wait_for_ack(socket.get());
  return error < 0 ? fail(nl_geterror(error)) : Status{};
}

}  // namespace

Status configure_twin(const TwinSettings& settings) {
  auto fail = [&](const std::string& what) {
    return Error{"twin " + settings.name + ": " + what + ": " + std::strerror(errno)};
  };
  FileDescriptor any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, settings.name.c_str(), sizeof request.ifr_name - 1);
  request.ifr_mtu = static_cast<int>(settings.mtu);
  if (ioctl(any.get(), SIOCSIFMTU, &request) != 0)
    return fail("cannot give it an MTU of " + std::to_string(settings.mtu));
  if (ioctl(any.get(), SIOCGIFFLAGS, &request) != 0) return fail("cannot read its flags");
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  if (ioctl(any.get(), SIOCSIFFLAGS, &request) != 0) return fail("cannot set it up");
  if (settings.addresses.empty()) return {};
  auto netlink = TunNetlink::open(settings.name);
  if (!netlink) return Error{"twin " + settings.name + ": " + netlink.error()};
  TunSettings addresses;
  addresses.addresses = settings.addresses;
  if (auto set = netlink->set_addresses(addresses, TunNetlink::Surplus::kRemove); !set)
    return Error{"twin " + settings.name + ": " + set.error()};
  return {};
}

Status set_carrier(int index, bool up) {
  auto carrier = [up](nl_msg* message) {
    nla_put_u8(message, IFLA_CARRIER, up ? 1 : 0);  // libnl-route reads this attribute but does not write it
  };
  return change_link(index, "cannot show the link's state at the twin", carrier);
}

Status set_mtu(int index, uint32_t mtu) {
  return change_link(index, "cannot give the twin an MTU of " + std::to_string(mtu),
                     [mtu](nl_msg* message) { nla_put_u32(message, IFLA_MTU, mtu); });
}

Result<std::vector<std::unique_ptr<Twin>>> make_twins(const TwinSettings& settings, rte_mempool* packets,
                                                      size_t workers, std::vector<std::string>& warnings) {
  if (workers == 1 && access("/dev/vhost-net", R_OK | W_OK) == 0) {
    auto twin = VhostTwin::make(settings, packets);
    if (twin) {
      std::vector<std::unique_ptr<Twin>> one;
      one.push_back(std::move(*twin));
      return one;
    }
    warnings.push_back(twin.error() + "; a TAP device takes its place");
  }
  return TapTwin::make(settings, packets, workers);
}

}  // namespace culvert::drivers
