#include "drivers/nic/kernel_watch.h"

#include <fcntl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace culvert::drivers {
namespace {

constexpr int kReceiveBuffer = 8 << 20;  ///< bytes: a full BGP table changes in a burst

Error netlink_error(const char* what, int error) {
  return Error{std::string(what) + ": " + nl_geterror(error)};
}

abi::IpAddress to_address(nl_addr* from, int family) {
  abi::IpAddress address;
  address.family = family == AF_INET ? abi::Family::kIpv4 : abi::Family::kIpv6;
  if (from == nullptr) return address;
  size_t size = std::min<size_t>(nl_addr_get_len(from), family == AF_INET ? 4 : 16);
  std::copy_n(static_cast<const uint8_t*>(nl_addr_get_binary_addr(from)), size, address.bytes.begin());
  return address;
}

KernelRoute::Type to_type(uint8_t type) {
  switch (type) {
    case RTN_UNICAST:
      return KernelRoute::Type::kUnicast;
    case RTN_LOCAL:
      return KernelRoute::Type::kLocal;
    default:
      return KernelRoute::Type::kOther;
  }
}

/// Does the kernel treat packets of this route like all others? Not where it is to take an MTU of the route's own.
bool is_plain_route(rtnl_route* route) {
  uint32_t mtu = 0;
  return rtnl_route_get_metric(route, RTAX_MTU, &mtu) < 0;
}

void set_next_hop(KernelRoute& route, rtnl_nexthop* hop) {
  route.interface = rtnl_route_nh_get_ifindex(hop);
  nl_addr* gateway = rtnl_route_nh_get_gateway(hop);
  if (gateway == nullptr) gateway = rtnl_route_nh_get_via(hop);
  if (gateway != nullptr && nl_addr_get_len(gateway) > 0)
    route.gateway = to_address(gateway, nl_addr_get_len(gateway) == 4 ? AF_INET : AF_INET6);
}

/// Of several next hops IPv4 has one route; IPv6 as many routes, of which one may go, and the kernel then names no
/// other. `is_gone`: also those that are dead. None for routes of other tables than main and local, and for the
/// kernel's cache entries.
std::vector<KernelRoute> to_routes(rtnl_route* from, bool is_gone) {
  uint32_t table = rtnl_route_get_table(from);
  int family = rtnl_route_get_family(from);
  if ((table != RT_TABLE_MAIN && table != RT_TABLE_LOCAL) || (family != AF_INET && family != AF_INET6)) return {};
  if ((rtnl_route_get_flags(from) & RTM_F_CLONED) != 0) return {};
  KernelRoute route;
  nl_addr* destination = rtnl_route_get_dst(from);
  unsigned length = destination != nullptr ? nl_addr_get_prefixlen(destination) : 0;
  route.prefix = make_ip_prefix(to_address(destination, family), static_cast<uint8_t>(length));
  route.type = is_plain_route(from) ? to_type(rtnl_route_get_type(from)) : KernelRoute::Type::kOther;
  route.is_local_table = table == RT_TABLE_LOCAL;
  route.metric = rtnl_route_get_priority(from);
  std::vector<KernelRoute> routes;
  for (int i = 0; i < rtnl_route_get_nnexthops(from); ++i) {
    rtnl_nexthop* hop = rtnl_route_nexthop_n(from, i);
    if (!is_gone && (rtnl_route_nh_get_flags(hop) & RTNH_F_DEAD) != 0) continue;
    set_next_hop(routes.emplace_back(route), hop);
    if (family == AF_INET) return routes;
  }
  // One that leads nowhere, or did not when all its next hops were dead.
  if (is_gone || routes.empty()) routes.push_back(route);
  return routes;
}

void tell_neighbour(RouteMirror& mirror, rtnl_neigh* from, bool is_gone) {
  int family = rtnl_neigh_get_family(from);
  nl_addr* destination = rtnl_neigh_get_dst(from);
  if ((family != AF_INET && family != AF_INET6) || destination == nullptr) return;
  abi::IpAddress address = to_address(destination, family);
  int state = rtnl_neigh_get_state(from);
  nl_addr* mac = rtnl_neigh_get_lladdr(from);
  constexpr int kUsable = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY;
  wire::MacAddress bytes{};
  bool usable = !is_gone && (state & kUsable) != 0 && mac != nullptr && nl_addr_get_len(mac) == bytes.size();
  if (!usable) return mirror.remove_neighbour(rtnl_neigh_get_ifindex(from), address);
  std::copy_n(static_cast<const uint8_t*>(nl_addr_get_binary_addr(mac)), bytes.size(), bytes.begin());
  mirror.set_neighbour(rtnl_neigh_get_ifindex(from), address, bytes, (state & NUD_STALE) != 0);
}

/// What on_object needs to know of the message around the object.
struct Call {
  KernelWatch* watch;
  int type;
  int flags;
};

}  // namespace

Result<std::unique_ptr<KernelWatch>> KernelWatch::make(RouteMirror& mirror, OnInterface on_interface) {
  std::unique_ptr<KernelWatch> watch(new KernelWatch(mirror, std::move(on_interface)));
  if (Status opened = watch->open(); !opened) return Error{opened.error()};
  if (Status read = watch->read_everything(); !read) return Error{read.error()};
  return watch;
}

Status KernelWatch::open() {
  socket_.reset(nl_socket_alloc());
  requests_.reset(nl_socket_alloc());
  if (!socket_ || !requests_) return Error{"no memory for a netlink socket"};
  nl_socket_disable_seq_check(socket_.get());
  nl_socket_disable_auto_ack(socket_.get());
  nl_socket_modify_cb(socket_.get(), NL_CB_VALID, NL_CB_CUSTOM, on_message, this);
  for (nl_sock* one : {socket_.get(), requests_.get()})
    if (int error = nl_connect(one, NETLINK_ROUTE); error < 0)
      return netlink_error("cannot open a netlink socket", error);
  // Before the first dump, so that nothing falls between.
  int error = nl_socket_add_memberships(socket_.get(), RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_ROUTE,
                                        RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, 0);
  if (error < 0) return netlink_error("cannot listen to the kernel's routes", error);
  int bytes = kReceiveBuffer;
  if (setsockopt(nl_socket_get_fd(socket_.get()), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
    nl_socket_set_buffer_size(socket_.get(), kReceiveBuffer, 0);
  nl_socket_set_msg_buf_size(socket_.get(), 1 << 17);
  nl_socket_disable_auto_ack(requests_.get());
  nl_socket_set_nonblocking(requests_.get());
  return {};
}

int KernelWatch::wake_fd() const {
  return nl_socket_get_fd(socket_.get());
}

/// Can be read on behind this error of libnl? Where something may be missing, all is to be read again.
bool KernelWatch::is_passing(int error) {
  // Messages were lost (ENOBUFS), or something changed between two parts of an answer.
  const bool is_incomplete = error == -NLE_NOMEM || error == -NLE_DUMP_INTR;
  if (is_incomplete) must_read_again_ = true;
  return is_incomplete || error == -NLE_INTR;
}

/// Asks for all objects of a kind and reads until the kernel has said them all.
Status KernelWatch::dump(int type, int family) {
  bool done = false;
  auto finish = [](nl_msg*, void* flag) {
    *static_cast<bool*>(flag) = true;
    return static_cast<int>(NL_STOP);
  };
  nl_socket_modify_cb(socket_.get(), NL_CB_FINISH, NL_CB_CUSTOM, finish, &done);
  rtgenmsg header{};
  header.rtgen_family = static_cast<unsigned char>(family);
  // The kernel accepts this short header for dumps of every kind.
  if (int error = nl_send_simple(socket_.get(), type, NLM_F_DUMP, &header, sizeof header); error < 0)
    return netlink_error("cannot ask the kernel for its routes", error);
  while (!done)
    if (int error = nl_recvmsgs_default(socket_.get()); error < 0 && !is_passing(error))
      return netlink_error("cannot read the kernel's routes", error);
  return {};
}

Status KernelWatch::read_everything() {
  struct Kind {
    int type;
    int family;
  };
  constexpr Kind kKinds[] = {
      {RTM_GETLINK, AF_UNSPEC}, {RTM_GETNEIGH, AF_UNSPEC}, {RTM_GETROUTE, AF_INET}, {RTM_GETROUTE, AF_INET6}};
  constexpr int kAttempts = 5;  // of reading while the kernel changes faster than we read
  int fd = wake_fd();
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    must_read_again_ = false;
    if (int flags = fcntl(fd, F_GETFL); flags >= 0) fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    route_mirror_.begin_dump();
    Status status;
    for (const Kind& kind : kKinds)
      if (status) status = dump(kind.type, kind.family);
    nl_socket_set_nonblocking(socket_.get());
    if (!status) return status;
    route_mirror_.end_dump();
    if (!must_read_again_) return {};
  }
  return {};
}

Status KernelWatch::serve() {
  while (true) {
    int error = nl_recvmsgs_default(socket_.get());
    if (error == -NLE_AGAIN) break;
    if (error < 0 && !is_passing(error)) return netlink_error("cannot read the kernel's routes", error);
  }
  return must_read_again_ ? read_everything() : Status{};
}

int KernelWatch::on_message(nl_msg* message, void* self) {
  const nlmsghdr* header = nlmsg_hdr(message);
  Call call{static_cast<KernelWatch*>(self), header->nlmsg_type, header->nlmsg_flags};
  nl_msg_parse(message, on_object, &call);  // what libnl does not know is nothing to us either
  return NL_OK;
}

void KernelWatch::on_object(nl_object* object, void* argument) {
  const Call& call = *static_cast<Call*>(argument);
  KernelWatch& watch = *call.watch;
  // Answers to a dump say what is, news what changes; both may come in turn.
  bool is_news = (call.flags & NLM_F_MULTI) == 0;
  switch (call.type) {
    case RTM_NEWROUTE:
    case RTM_DELROUTE: {
      bool is_gone = call.type == RTM_DELROUTE;
      bool replaces = is_news && (call.flags & NLM_F_REPLACE) != 0;
      for (const KernelRoute& route : to_routes(reinterpret_cast<rtnl_route*>(object), is_gone))
        if (is_gone)
          watch.route_mirror_.remove_route(route);
        else
          watch.route_mirror_.add_route(route, std::exchange(replaces, false));
      return;
    }
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
      return tell_neighbour(watch.route_mirror_, reinterpret_cast<rtnl_neigh*>(object), call.type == RTM_DELNEIGH);
    case RTM_NEWLINK:
    case RTM_DELLINK: {
      auto* link = reinterpret_cast<rtnl_link*>(object);
      constexpr unsigned kLowerUp = 1U << 16;  // IFF_LOWER_UP, which <net/if.h> lacks
      unsigned flags = rtnl_link_get_flags(link);
      const char* name = rtnl_link_get_name(link);
      Interface interface;
      interface.index = rtnl_link_get_ifindex(link);
      interface.name = name != nullptr ? name : "";
      interface.exists = call.type == RTM_NEWLINK;
      interface.is_up = (flags & IFF_UP) != 0;
      interface.has_link = (flags & kLowerUp) != 0;
      interface.mtu = rtnl_link_get_mtu(link);
      if (rtnl_link_get_family(link) != AF_UNSPEC) return;  // of a bridge: not the interface itself
      // IPv4 routes through an interface that goes down go without a word each.
      if (is_news && (!interface.is_up || !interface.exists)) watch.must_read_again_ = true;
      return watch.on_interface_(interface);
    }
    case RTM_DELADDR:
      watch.must_read_again_ = true;  // likewise routes that name this address as their source
      return;
    default:
      return;
  }
}

void KernelWatch::probe(const RouteMirror::Neighbour& neighbour) {
  bool is_ip4 = neighbour.address.family == abi::Family::kIpv4;
  nl_addr* address = nl_addr_build(is_ip4 ? AF_INET : AF_INET6, neighbour.address.bytes.data(), is_ip4 ? 4 : 16);
  rtnl_neigh* request = rtnl_neigh_alloc();
  if (address != nullptr && request != nullptr) {
    rtnl_neigh_set_ifindex(request, neighbour.interface);
    rtnl_neigh_set_dst(request, address);
    rtnl_neigh_set_flags(request, NTF_USE);  // "pretend that a packet went there" (linux/neighbour.h)
    nl_msg* message = nullptr;
    if (rtnl_neigh_build_add_request(request, 0, &message) == 0) {
      nl_send_auto(requests_.get(), message);
      nlmsg_free(message);
    }
  }
  if (request != nullptr) rtnl_neigh_put(request);
  if (address != nullptr) nl_addr_put(address);
}

void KernelWatch::forget_unresolved(int interface) {
  Socket socket(nl_socket_alloc());
  nl_cache* all = nullptr;
  if (!socket || nl_connect(socket.get(), NETLINK_ROUTE) < 0 || rtnl_neigh_alloc_cache(socket.get(), &all) < 0) return;
  for (nl_object* object = nl_cache_get_first(all); object != nullptr; object = nl_cache_get_next(object)) {
    auto* neighbour = reinterpret_cast<rtnl_neigh*>(object);
    bool is_sought = (rtnl_neigh_get_state(neighbour) & (NUD_INCOMPLETE | NUD_FAILED)) != 0;
    if (is_sought && rtnl_neigh_get_ifindex(neighbour) == interface) rtnl_neigh_delete(socket.get(), neighbour, 0);
  }
  nl_cache_free(all);
}

}  // namespace culvert::drivers
