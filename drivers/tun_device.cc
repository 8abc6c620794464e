#include "drivers/tun_device.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>
#include <optional>

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

/// How a queue is attached (TUNSETIFF).
short flags_of(int clone, bool one_of_several) {
  const int kind = IFF_TUN | IFF_NO_PI | vnet_header_flag(clone) | (one_of_several ? IFF_MULTI_QUEUE : 0);
  return static_cast<short>(kind);
}

/// A queue of the device `name`, which the first one makes.
Result<TunDevice> open_queue(const std::string& name, bool one_of_several) {
  TunDevice device;
  device.queue = FileDescriptor(open(kCloneDevice, O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!device.queue) return fail(name, open_error(errno));
  ifreq request{};
  const short flags = flags_of(device.queue.get(), one_of_several);
  request.ifr_flags = flags;
  std::memcpy(request.ifr_name, name.data(), name.size());
  if (ioctl(device.queue.get(), TUNSETIFF, &request) != 0) return fail(name, attach_error(name, errno));
  device.name = request.ifr_name;
  device.offloads = turn_on_offloads(device.queue.get(), flags);
  return device;
}

/// Does a device that is called `real` fit the name that was asked for?
bool fits_name(const std::string& asked, const std::string& real) {
  const size_t pattern = asked.find('%');  // one %d, as check_name() demands
  if (asked.empty() || pattern == std::string::npos) return asked.empty() || asked == real;
  return real.starts_with(asked.substr(0, pattern)) && real.ends_with(asked.substr(pattern + 2));
}

/// The queue as open_queue() has left it; nothing: it is none, or of another device or kind.
std::optional<TunDevice> known_queue(const std::string& name, FileDescriptor queue, bool one_of_several) {
  constexpr int kKind = IFF_TUN | IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE;
  ifreq request{};
  // With the device deleted, there is nothing that the descriptor stands for.
  if (ioctl(queue.get(), TUNGETIFF, &request) != 0 || !fits_name(name, request.ifr_name)) return std::nullopt;
  const short flags = flags_of(queue.get(), one_of_several);
  if ((request.ifr_flags & kKind) != flags) return std::nullopt;
  TunDevice device;
  device.name = request.ifr_name;
  device.offloads = turn_on_offloads(queue.get(), flags);
  device.queue = std::move(queue);
  return device;
}

/// What the device as a whole needs, once it has its queues.
Status finish_device(std::vector<TunDevice>& queues, const TunSettings& settings) {
  TunDevice& first = queues.front();
  auto losses = TunLosses::watch(first.name);
  if (!losses) return fail(first.name, losses.error());
  first.losses = std::move(*losses);
  return configure_tun(first.name, settings);
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
  if (auto done = finish_device(queues, settings); !done) return Error{done.error()};
  return queues;
}

Result<std::vector<TunDevice>> adopt_tun_queues(const TunSettings& settings, std::vector<FileDescriptor> queues) {
  if (auto sane = check_tun(settings); !sane) return Error{sane.error()};
  std::vector<TunDevice> known;
  std::string name = settings.name;
  for (FileDescriptor& queue : queues) {
    auto device = known_queue(name, std::move(queue), queues.size() > 1);
    if (!device) return fail(settings.name, "what was kept is not it");
    name = device->name;
    known.push_back(std::move(*device));
  }
  if (known.empty()) return fail(settings.name, "nothing was kept");
  if (auto done = finish_device(known, settings); !done) return Error{done.error()};
  return known;
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
