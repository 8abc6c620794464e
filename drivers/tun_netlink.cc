#include "drivers/tun_netlink.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/inet6.h>
#include <sys/socket.h>

#include <algorithm>
#include <vector>

#include "dataplane/abi/endpoint_text.h"
#include "drivers/netlink_objects.h"

namespace culvert::drivers {
namespace {

struct FreeLink {
  void operator()(rtnl_link* link) const { rtnl_link_put(link); }
};
struct FreeAddress {
  void operator()(rtnl_addr* address) const { rtnl_addr_put(address); }
};
using Link = std::unique_ptr<rtnl_link, FreeLink>;
using Address = std::unique_ptr<rtnl_addr, FreeAddress>;

bool is_same_address(rtnl_addr* present, const abi::TunAddress& wanted) {
  nl_addr* local = rtnl_addr_get_local(present);
  size_t length = wanted.address.family == abi::Family::kIpv4 ? 4 : 16;
  return nl_addr_get_len(local) == length && rtnl_addr_get_prefixlen(present) == wanted.prefix &&
         std::equal(wanted.address.bytes.begin(), wanted.address.bytes.begin() + static_cast<std::ptrdiff_t>(length),
                    static_cast<const uint8_t*>(nl_addr_get_binary_addr(local)));
}

/// Link-local addresses are the kernel's own business.
bool is_link_local(rtnl_addr* present) {
  return rtnl_addr_get_family(present) == AF_INET6 && rtnl_addr_get_scope(present) == RT_SCOPE_LINK;
}

}  // namespace

Result<TunNetlink> TunNetlink::open(const std::string& name) {
  TunNetlink netlink;
  netlink.socket_.reset(nl_socket_alloc());
  if (!netlink.socket_) return Error{"no memory for a netlink socket"};
  if (int error = nl_connect(netlink.socket_.get(), NETLINK_ROUTE); error < 0)
    return Error{std::string("cannot open a netlink socket: ") + nl_geterror(error)};
  netlink.index_ = static_cast<int>(if_nametoindex(name.c_str()));
  if (netlink.index_ == 0) return Error{"there is no such interface"};
  return netlink;
}

Status TunNetlink::set_link(const TunSettings& settings) {
  Link present(rtnl_link_alloc());
  Link no_link_local(rtnl_link_alloc());
  Link changes(rtnl_link_alloc());
  if (!present || !no_link_local || !changes) return Error{"no memory"};
  rtnl_link_set_ifindex(present.get(), index_);
  // Before it comes up, so that it never has a link-local address. A kernel without IPv6 refuses this: then there is
  // none anyway.
  rtnl_link_inet6_set_addr_gen_mode(no_link_local.get(), IN6_ADDR_GEN_MODE_NONE);
  (void)rtnl_link_change(socket_.get(), present.get(), no_link_local.get(), 0);

  rtnl_link_set_mtu(changes.get(), settings.mtu);
  if (settings.tx_queue_length != 0) rtnl_link_set_txqlen(changes.get(), settings.tx_queue_length);
  rtnl_link_set_flags(changes.get(), IFF_UP);
  if (int error = rtnl_link_change(socket_.get(), present.get(), changes.get(), 0); error < 0)
    return Error{"cannot set MTU " + std::to_string(settings.mtu) + " and bring it up: " + nl_geterror(error)};
  return {};
}

Status TunNetlink::add_address(const abi::IpAddress& address, uint8_t prefix) {
  bool is_ip4 = address.family == abi::Family::kIpv4;
  std::string text = abi::to_text(address) + "/" + std::to_string(prefix);
  NlAddress local(nl_addr_build(is_ip4 ? AF_INET : AF_INET6, address.bytes.data(), is_ip4 ? 4 : 16));
  Address request(rtnl_addr_alloc());
  if (!local || !request) return Error{"no memory"};
  nl_addr_set_prefixlen(local.get(), prefix);
  rtnl_addr_set_ifindex(request.get(), index_);
  rtnl_addr_set_local(request.get(), local.get());
  // Nobody else can have the address on our own tunnel: use it at once instead of after duplicate address detection.
  if (!is_ip4) rtnl_addr_set_flags(request.get(), IFA_F_NODAD);
  int error = rtnl_addr_add(socket_.get(), request.get(), 0);
  if (error == 0 || error == -NLE_EXIST) return {};
  if (!is_ip4 &&
      (error == -NLE_PERM || error == -NLE_NOACCESS || error == -NLE_OPNOTSUPP || error == -NLE_AF_NOSUPPORT))
    return Error{"cannot give it " + text + ": IPv6 is off here (sysctl net.ipv6.conf.all.disable_ipv6=0 turns it on)"};
  return Error{"cannot give it the address " + text + ": " + nl_geterror(error)};
}

Result<size_t> TunNetlink::set_addresses(const TunSettings& settings, Surplus surplus) {
  std::vector<abi::TunAddress> missing = settings.addresses;

  nl_cache* raw = nullptr;
  if (int error = rtnl_addr_alloc_cache(socket_.get(), &raw); error < 0)
    return Error{std::string("cannot list addresses: ") + nl_geterror(error)};
  NlCache cache(raw);
  for (nl_object* object = nl_cache_get_first(raw); object != nullptr; object = nl_cache_get_next(object)) {
    auto* present = reinterpret_cast<rtnl_addr*>(object);
    if (rtnl_addr_get_ifindex(present) != index_ || is_link_local(present)) continue;
    auto match = std::find_if(missing.begin(), missing.end(),
                              [&](const abi::TunAddress& one) { return is_same_address(present, one); });
    if (match != missing.end()) {
      missing.erase(match);
      continue;
    }
    if (surplus == Surplus::kKeep) continue;
    if (int error = rtnl_addr_delete(socket_.get(), present, 0); error < 0)
      return Error{std::string("cannot take an old address away: ") + nl_geterror(error)};
  }
  for (const abi::TunAddress& one : missing)
    if (auto added = add_address(one.address, one.prefix); !added) return Error{added.error()};
  return missing.size();
}

}  // namespace culvert::drivers
