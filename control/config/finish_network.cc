// Expands the helper directives: what server, server-ipv6, ifconfig, keepalive and local stand for (man page of 2.6).
#include <algorithm>
#include <cstring>

#include "control/config/arguments.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::config {
namespace {

/// ifconfig ADDRESS NETMASK, or with topology p2p and net30 ifconfig ADDRESS OTHER-END.
void read_own_address(Draft& draft, const Statement& ifconfig) {
  std::optional<Ip4> address = parse_ip4(ifconfig.args[0]);
  if (!address) return;
  if (draft.config.topology != openvpn::Topology::kSubnet) {
    std::optional<Ip4> peer = parse_ip4(ifconfig.args[1]);
    if (!peer || parse_mask(ifconfig.args[1]) || *peer == *address) {
      return draft.error(ifconfig, "with topology " + std::string(openvpn::topology_name(draft.config.topology)) +
                                       " the second argument is the tunnel's other end, such as " +
                                       to_text(to_ip4(to_u32(*address) + 1)) + ", not '" + ifconfig.args[1] + "'");
    }
    draft.config.pool4 = Pool4{*address, 32, *address, {}, {}, *peer};
    return;
  }
  if (parse_ip4(ifconfig.args[1]) && !parse_mask(ifconfig.args[1]))
    return draft.error(ifconfig, "'" + ifconfig.args[1] +
                                     "' is no netmask, which topology subnet wants: if it is the tunnel's other end, "
                                     "write topology net30 (which 2.6 uses where none is written) or topology p2p");
  std::optional<uint8_t> prefix = mask_argument(draft, ifconfig, 1);
  if (!prefix) return;
  if (*prefix < 16 || *prefix > 29)
    return draft.error(ifconfig, "the network must be from /16 to /29, not /" + std::to_string(*prefix));
  Ip4 network = to_ip4(to_u32(*address) & mask_of(*prefix));
  draft.config.pool4 = Pool4{network, *prefix, *address, {}, {}, {}};
}

/// What `server` means with topology p2p and net30 (helper.c, helper_client_server).
void finish_point_to_point(Draft& draft) {
  if (draft.config.topology == openvpn::Topology::kSubnet || draft.find("server") == nullptr || !draft.config.pool4)
    return;
  Pool4& pool = *draft.config.pool4;
  uint32_t network = to_u32(pool.network);
  uint32_t broadcast = network | ~mask_of(pool.prefix);
  pool.peer = to_ip4(network + 2);
  pool.first = to_ip4(network + 4);
  pool.last = to_ip4(broadcast - (pool.prefix == 29 ? 0 : 4));
  draft.config.routes.push_back({.network = abi::ipv4(pool.network), .prefix = pool.prefix});
}

/// ifconfig-pool: with `server … nopool`, or with ifconfig.
void finish_explicit_pool4(Draft& draft) {
  const Statement* pool = draft.find("ifconfig-pool");
  const Statement* ifconfig = draft.find("ifconfig");
  const Statement* server = draft.find("server");
  bool nopool = server != nullptr && server->args.size() == 3;
  if (server != nullptr && ifconfig != nullptr) {
    return draft.error(*ifconfig, "server sets it already: remove one of them");
  }
  if (pool == nullptr) {
    if (nopool)
      draft.error(*server, "nopool without an ifconfig-pool leaves no address for clients: add one, or remove nopool");
    if (ifconfig != nullptr)
      draft.error(*ifconfig, "without an ifconfig-pool there is no address for clients: use server instead");
    return;
  }
  if (server != nullptr && !nopool)
    return draft.error(*pool, "server makes a pool already: remove one of them, or add nopool to server");
  if (server == nullptr && ifconfig == nullptr)
    return draft.error(*pool, "needs ifconfig ADDRESS NETMASK for the gateway's own address");
  if (ifconfig != nullptr) read_own_address(draft, *ifconfig);
  if (!draft.config.pool4) return;
  Pool4& made = *draft.config.pool4;
  std::optional<Ip4> first = parse_ip4(pool->args[0]);
  std::optional<Ip4> last = parse_ip4(pool->args[1]);
  if (!first || !last) return;
  uint32_t network = to_u32(made.network);
  uint32_t broadcast = network | ~mask_of(made.prefix);
  bool inside = to_u32(*first) > network && to_u32(*last) < broadcast && to_u32(*first) <= to_u32(*last);
  if (!inside && draft.config.topology == openvpn::Topology::kSubnet) {
    return draft.error(*pool, "must lie inside " + to_text(made.network) + "/" + std::to_string(made.prefix) +
                                  ", without its first and last address");
  }
  // With net30 the four addresses that the pool's first one stands in count as a whole.
  uint32_t lowest = to_u32(*first) & (draft.config.topology == openvpn::Topology::kNet30 ? ~uint32_t{3} : ~uint32_t{0});
  if (to_u32(made.gateway) >= lowest && to_u32(made.gateway) <= to_u32(*last)) {
    return draft.error(*pool, "holds the gateway's own address " + to_text(made.gateway) + ": leave it out");
  }
  made.first = *first;
  made.last = *last;
}

void finish_explicit_pool6(Draft& draft) {
  const Statement* pool = draft.find("ifconfig-ipv6-pool");
  const Statement* ifconfig = draft.find("ifconfig-ipv6");
  const Statement* server = draft.find("server-ipv6");
  if (server != nullptr) {
    for (const Statement* other : {pool, ifconfig}) {
      if (other != nullptr) draft.error(*other, "server-ipv6 sets it already: remove one of them");
    }
    return;
  }
  if (pool == nullptr && ifconfig == nullptr) return;
  if (pool == nullptr)
    return draft.error(*ifconfig,
                       "without an ifconfig-ipv6-pool there is no address for clients: use server-ipv6 instead");
  if (ifconfig == nullptr)
    return draft.error(*pool, "needs ifconfig-ipv6 ADDRESS/LENGTH REMOTE for the gateway's own address");
  std::optional<Prefix6> ours = parse_prefix6(ifconfig->args[0]);
  std::optional<Prefix6> first = parse_prefix6(pool->args[0]);
  if (!ours || !first) return;
  Ip6 network = network_of(ours->address, ours->length);
  if (first->length != ours->length || network_of(first->address, first->length) != network) {
    return draft.error(*pool,
                       "is not the network of ifconfig-ipv6, " + to_text(network) + "/" + std::to_string(ours->length));
  }
  // A pool that starts at the network's own address starts one behind it (man page, ifconfig-ipv6-pool).
  Ip6 start = first->address == network ? add(network, 1) : first->address;
  if (start == ours->address) start = add(start, 1);
  if (ours->address > start) {
    return draft.error(*pool,
                       "starts in front of the gateway's own address " + to_text(ours->address) + ": start behind it");
  }
  draft.config.pool6 = Pool6{network, ours->length, ours->address, start};
}

void finish_topology(Draft& draft) {
  const std::string name(openvpn::topology_name(draft.config.topology));
  for (const std::string& option : draft.config.push)
    if (option.starts_with("topology ") && option != "topology " + name)
      draft.error(*draft.find("push"), "'" + option + "', but the server has topology " + name +
                                           ": write topology once, without push; it is pushed by itself");

  if (draft.find("topology") != nullptr || !draft.config.pool4) return;
  draft.report.warning(
      draft.config.file, 0,
      "no topology: subnet is used, as by 2.7, where 2.6 uses net30; write topology net30 to keep the addresses that "
      "clients had, and files of client-config-dir made for it, else topology subnet");
}

void finish_persistent_pool(Draft& draft) {
  const Statement* persist = draft.find("ifconfig-pool-persist");
  if (persist == nullptr || !draft.config.persistent_pool) return;
  draft.config.persistent_pool->file = join_path(draft.folder, persist->args[0]);
  if (draft.config.duplicate_cn)
    draft.warning(*persist, "has no effect together with duplicate-cn, which gives a name several addresses");
}

/// What helper directives push goes behind what the file itself pushes, as in the reference (helper.c).
void finish_push(Draft& draft) {
  std::vector<std::string>& push = draft.config.push;
  if (draft.find("server-ipv6") != nullptr) push.push_back("tun-ipv6");
  if (draft.find("server") != nullptr && draft.config.pool4) {
    const Pool4& pool = *draft.config.pool4;
    if (draft.config.topology == openvpn::Topology::kSubnet)
      push.push_back("route-gateway " + to_text(pool.gateway));
    else if (draft.config.settings.client_to_client)
      push.push_back("route " + to_text(pool.network) + " " + to_text(to_ip4(mask_of(pool.prefix))));
    else if (draft.config.topology == openvpn::Topology::kNet30)
      push.push_back("route " + to_text(pool.gateway));
    push.push_back("topology " + std::string(openvpn::topology_name(draft.config.topology)));
  }
  if (draft.find("tcp-nodelay") != nullptr) push.push_back("socket-flags TCP_NODELAY");
  if (draft.find("keepalive") != nullptr) {
    const openvpn::ServerSettings& settings = draft.config.settings;
    push.push_back("ping " + std::to_string(settings.ping.count()));
    push.push_back("ping-restart " + std::to_string(settings.ping_restart.count() / 2));
  }
}

void check_device(Draft& draft) {
  const Statement* dev = draft.find("dev");
  const std::string& name = draft.config.dev_name;
  if (dev == nullptr || draft.find("dev-type") != nullptr || name.empty() || name.starts_with("tun")) return;
  if (name.starts_with("tap"))
    return draft.error(*dev, "bridges and dev tap are not supported: use dev tun and server");
  draft.error(*dev, "'" + name + "' does not say what it is: add dev-type tun");
}

void check_windows(Draft& draft) {
  const openvpn::ServerSettings& settings = draft.config.settings;
  if (settings.ping_restart.count() == 0) {
    draft.report.warning(draft.config.file, 0,
                         "no keepalive: a client that vanishes keeps its session; add keepalive 10 60");
  }
  const Statement* reneg = draft.find("reneg-sec");
  if (reneg != nullptr && settings.reneg_sec.count() != 0 && settings.reneg_sec <= settings.tls_timeout) {
    draft.error(*reneg, "must be larger than tls-timeout (" + std::to_string(settings.tls_timeout.count()) + " s)");
  }
  if (draft.config.pool6 && settings.tun_mtu < 1280) {
    draft.error(*draft.find("tun-mtu"),
                "IPv6 needs at least 1280 (RFC 8200, section 5): raise it, or remove server-ipv6");
  }
}

}  // namespace

void finish_network(Draft& draft) {
  check_device(draft);
  finish_point_to_point(draft);
  finish_explicit_pool4(draft);
  finish_explicit_pool6(draft);
  bool asked = false;
  for (const char* name :
       {"server", "server-ipv6", "ifconfig", "ifconfig-ipv6", "ifconfig-pool", "ifconfig-ipv6-pool"}) {
    asked = asked || draft.find(name) != nullptr;
  }
  if (!asked) {
    draft.report.error(draft.config.file, 0,
                       "no addresses for clients: add server 10.8.0.0 255.255.255.0 (or server-ipv6)");
  }
  finish_topology(draft);
  finish_persistent_pool(draft);
  finish_routes(draft);
  finish_late_pushes(draft);
  finish_push(draft);
  check_windows(draft);
  warn_about_cipher(draft);
}

}  // namespace culvert::config
