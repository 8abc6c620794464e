// Routes into the TUN.
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <sys/socket.h>

#include <algorithm>
#include <vector>

#include "dataplane/abi/endpoint_text.h"
#include "drivers/netlink_objects.h"
#include "drivers/tun_netlink.h"

namespace culvert::drivers {
namespace {

constexpr uint32_t kDefaultMetricIpv6 = 1024;  // what the kernel makes of 0 (IP6_RT_PRIO_USER)

struct FreeRoute {
  void operator()(rtnl_route* route) const { rtnl_route_put(route); }
};
using Route = std::unique_ptr<rtnl_route, FreeRoute>;

NlAddress build(const abi::IpAddress& address) {
  bool is_ip4 = address.family == abi::Family::kIpv4;
  return NlAddress(nl_addr_build(is_ip4 ? AF_INET : AF_INET6, address.bytes.data(), is_ip4 ? 4 : 16));
}

bool same_address(nl_addr* present, const abi::IpAddress& wanted) {
  bool none = present == nullptr || nl_addr_get_len(present) == 0;
  if (none || wanted.family == abi::Family::kNone) return none && wanted.family == abi::Family::kNone;
  size_t length = wanted.family == abi::Family::kIpv4 ? 4 : 16;
  return nl_addr_get_len(present) == length &&
         std::equal(wanted.bytes.begin(), wanted.bytes.begin() + static_cast<std::ptrdiff_t>(length),
                    static_cast<const uint8_t*>(nl_addr_get_binary_addr(present)));
}

/// A default route's destination has no bytes.
bool same_network(nl_addr* present, const abi::TunRoute& wanted) {
  int family = wanted.network.family == abi::Family::kIpv4 ? AF_INET : AF_INET6;
  if (present == nullptr || nl_addr_get_family(present) != family) return false;
  if (wanted.prefix == 0) return nl_addr_get_prefixlen(present) == 0;
  return nl_addr_get_prefixlen(present) == wanted.prefix && same_address(present, wanted.network);
}

bool is_same_route(rtnl_route* present, const abi::TunRoute& wanted) {
  uint32_t metric = wanted.metric;
  if (metric == 0 && wanted.network.family == abi::Family::kIpv6) metric = kDefaultMetricIpv6;
  return same_network(rtnl_route_get_dst(present), wanted) && rtnl_route_get_priority(present) == metric &&
         same_address(rtnl_route_nh_get_gateway(rtnl_route_nexthop_n(present, 0)), wanted.gateway);
}

std::string text_of(const abi::TunRoute& route) {
  return abi::to_text(route.network) + "/" + std::to_string(route.prefix);
}

}  // namespace

Status TunNetlink::add_route(const abi::TunRoute& wanted) {
  NlAddress network = build(wanted.network);
  Route route(rtnl_route_alloc());
  rtnl_nexthop* hop = rtnl_route_nh_alloc();
  if (!network || !route || !hop) return Error{"no memory"};
  nl_addr_set_prefixlen(network.get(), wanted.prefix);
  rtnl_route_set_dst(route.get(), network.get());
  rtnl_route_set_protocol(route.get(), kRouteProtocol);
  rtnl_route_set_table(route.get(), RT_TABLE_MAIN);
  rtnl_route_set_priority(route.get(), wanted.metric);
  rtnl_route_set_scope(route.get(), wanted.gateway.family == abi::Family::kNone ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE);
  rtnl_route_nh_set_ifindex(hop, index_);
  if (wanted.gateway.family != abi::Family::kNone) {
    rtnl_route_nh_set_gateway(hop, build(wanted.gateway).get());
    // With the addresses of net30 and p2p the kernel knows no network in which the gateway could be.
    rtnl_route_nh_set_flags(hop, RTNH_F_ONLINK);
  }
  rtnl_route_add_nexthop(route.get(), hop);
  int error = rtnl_route_add(socket_.get(), route.get(), NLM_F_CREATE | NLM_F_EXCL);
  if (error == 0) return {};
  if (error == -NLE_EXIST)
    return Error{"the route to " + text_of(wanted) +
                 " exists already: remove it (ip route), or give this one another metric"};
  return Error{"cannot set the route to " + text_of(wanted) + ": " + nl_geterror(error)};
}

Result<size_t> TunNetlink::set_routes(const TunSettings& settings, Surplus surplus) {
  std::vector<abi::TunRoute> missing = settings.routes;
  nl_cache* raw = nullptr;
  if (int error = rtnl_route_alloc_cache(socket_.get(), AF_UNSPEC, 0, &raw); error < 0)
    return Error{std::string("cannot list routes: ") + nl_geterror(error)};
  NlCache cache(raw);
  for (nl_object* object = nl_cache_get_first(raw); object != nullptr; object = nl_cache_get_next(object)) {
    auto* present = reinterpret_cast<rtnl_route*>(object);
    rtnl_nexthop* hop = rtnl_route_get_nnexthops(present) > 0 ? rtnl_route_nexthop_n(present, 0) : nullptr;
    bool ours = rtnl_route_get_protocol(present) == kRouteProtocol && hop != nullptr &&
                rtnl_route_nh_get_ifindex(hop) == index_;
    if (!ours) continue;
    auto match = std::find_if(missing.begin(), missing.end(),
                              [&](const abi::TunRoute& one) { return is_same_route(present, one); });
    if (match != missing.end()) {
      missing.erase(match);
      continue;
    }
    if (surplus == Surplus::kKeep) continue;
    if (int error = rtnl_route_delete(socket_.get(), present, 0); error < 0 && error != -NLE_OBJ_NOTFOUND)
      return Error{std::string("cannot take an old route away: ") + nl_geterror(error)};
  }
  for (const abi::TunRoute& one : missing)
    if (auto added = add_route(one); !added) return Error{added.error()};
  return missing.size();
}

}  // namespace culvert::drivers
