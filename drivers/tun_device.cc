#include "drivers/tun_device.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>

#include "drivers/tun_netlink.h"
#include "drivers/tun_offload.h"

namespace culvert::drivers {
namespace {

constexpr const char* kCloneDevice = "/dev/net/tun";

Error fail(const std::string& name, const std::string& what) {
  return Error{"tun " + (name.empty() ? std::string("(any name)") : name) + ": " + what};
}

std::string open_error(int reason) {
  switch (reason) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return "there is no /dev/net/tun: load the module (modprobe tun), or give the container the device";
    case EACCES:
    case EPERM:
      return "no permission to open /dev/net/tun: run as root, or allow the device to this container";
    default:
      return std::string("cannot open /dev/net/tun: ") + std::strerror(reason);
  }
}

std::string attach_error(const std::string& name, int reason) {
  switch (reason) {
    case EPERM:
      return "making a TUN device needs CAP_NET_ADMIN: run as root";
    case EBUSY:
      return "the name is taken: another program uses this device (ip -details link show " + name +
             "); a second gateway needs another [tun] name, or `dev` in its server.conf";
    case EINVAL:
      return "the name is taken by another kind of interface, or not valid (ip -details link show " + name + ")";
    case ENFILE:
      return "no free number is left for this name";
    default:
      return std::string("cannot make the device: ") + std::strerror(reason);
  }
}

Status check_name(const std::string& name) {
  if (name.size() >= IFNAMSIZ) return Error{"the name is longer than 15 characters"};
  if (name == "." || name == ".." || name.find_first_of("/: \t\n") != std::string::npos)
    return Error{"the name has a character that interface names can't have"};
  size_t percent = name.find('%');
  if (percent != std::string::npos &&
      (name.compare(percent, 2, "%d") != 0 || name.find('%', percent + 1) != std::string::npos))
    return Error{"the only pattern a name may have is one %d"};
  return {};
}

/// A queue of the device `name`, which the first one makes.
Result<TunDevice> open_queue(const std::string& name, bool one_of_several) {
  TunDevice device;
  device.queue = FileDescriptor(open(kCloneDevice, O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!device.queue) return fail(name, open_error(errno));
  ifreq request{};
  int kind = IFF_TUN | IFF_NO_PI | vnet_header_flag(device.queue.get());
  if (one_of_several) kind |= IFF_MULTI_QUEUE;
  auto flags = static_cast<short>(kind);
  request.ifr_flags = flags;
  std::memcpy(request.ifr_name, name.data(), name.size());
  if (ioctl(device.queue.get(), TUNSETIFF, &request) != 0) return fail(name, attach_error(name, errno));
  device.name = request.ifr_name;
  device.offloads = turn_on_offloads(device.queue.get(), flags);
  return device;
}

}  // namespace

Status check_tun(const TunSettings& settings) {
  if (auto named = check_name(settings.name); !named) return fail(settings.name, named.error());
  bool has_ip6 = false;
  for (const abi::TunAddress& one : settings.addresses) {
    bool is_ip6 = one.address.family == abi::Family::kIpv6;
    if (!is_ip6 && one.address.family != abi::Family::kIpv4)
      return fail(settings.name, "one of its addresses is neither IPv4 nor IPv6");
    if (one.prefix < 1 || one.prefix > (is_ip6 ? 128 : 32))
      return fail(settings.name, is_ip6 ? "its IPv6 address needs a prefix length of 1 to 128"
                                        : "its IPv4 address needs a prefix length of 1 to 32");
    has_ip6 = has_ip6 || is_ip6;
  }
  for (const abi::TunRoute& one : settings.routes) {
    bool is_ip6 = one.network.family == abi::Family::kIpv6;
    if (!is_ip6 && one.network.family != abi::Family::kIpv4)
      return fail(settings.name, "one of its routes is neither IPv4 nor IPv6");
    if (one.prefix > (is_ip6 ? 128 : 32)) return fail(settings.name, "one of its routes has too long a prefix");
    if (one.gateway.family != abi::Family::kNone && one.gateway.family != one.network.family)
      return fail(settings.name, "one of its routes has a gateway of the other family");
  }
  uint32_t least = has_ip6 ? kMinTunMtuIpv6 : kMinTunMtu;
  if (settings.mtu < least || settings.mtu > kMaxTunMtu)
    return fail(settings.name, "MTU " + std::to_string(settings.mtu) + " is not between " + std::to_string(least) +
                                   (has_ip6 ? " (with an IPv6 address) and " : " and ") + std::to_string(kMaxTunMtu));
  return {};
}

Result<TunDevice> make_tun(const TunSettings& settings) {
  auto queues = make_tun_queues(settings, 1);
  if (!queues) return Error{queues.error()};
  return std::move(queues->front());
}

Result<std::vector<TunDevice>> make_tun_queues(const TunSettings& settings, size_t count) {
  if (auto sane = check_tun(settings); !sane) return Error{sane.error()};
  std::vector<TunDevice> queues;
  for (std::string name = settings.name; queues.size() < count; name = queues.back().name) {
    auto queue = open_queue(name, count > 1);
    if (!queue) return Error{queue.error()};
    queues.push_back(std::move(*queue));
  }
  auto losses = TunLosses::watch(queues.front().name);
  if (!losses) return fail(queues.front().name, losses.error());
  queues.front().losses = std::move(*losses);
  if (auto configured = configure_tun(queues.front().name, settings); !configured) return Error{configured.error()};
  return queues;
}

Status configure_tun(const std::string& name, const TunSettings& settings) {
  if (auto sane = check_tun(settings); !sane) return sane;
  auto netlink = TunNetlink::open(name);
  if (!netlink) return fail(name, netlink.error());
  if (auto done = netlink->set_link(settings); !done) return fail(name, done.error());
  using Surplus = TunNetlink::Surplus;
  if (auto done = netlink->set_addresses(settings, Surplus::kRemove); !done) return fail(name, done.error());
  if (auto done = netlink->set_routes(settings, Surplus::kRemove); !done) return fail(name, done.error());
  return {};
}

Result<size_t> restore_tun(const std::string& name, const TunSettings& settings) {
  auto netlink = TunNetlink::open(name);
  if (!netlink) return fail(name, netlink.error());
  auto addresses = netlink->set_addresses(settings, TunNetlink::Surplus::kKeep);
  if (!addresses) return fail(name, addresses.error());
  auto routes = netlink->set_routes(settings, TunNetlink::Surplus::kKeep);
  if (!routes) return fail(name, routes.error());
  return *addresses + *routes;
}

}  // namespace culvert::drivers
