// Readers: what the server is, its networks, its device.
#include <net/if.h>

#include "control/config/arguments.h"
#include "control/config/readers.h"

namespace culvert::config {
namespace {

constexpr uint32_t kMaxClients = 65535;

/// Names that the kernel takes for an interface (dev_valid_name): no slash, colon or space, not "." or "..".
bool good_device_name(const std::string& name) {
  if (name.empty() || name.size() >= IFNAMSIZ || name == "." || name == "..") return false;
  return name.find_first_of("/: \t\r\n\v\f%") == std::string::npos;
}

}  // namespace

void read_mode(Draft& draft, const Statement& statement) {
  if (statement.args[0] != "server") draft.error(statement, "only 'server' is supported");
}

void read_server(Draft& draft, const Statement& statement) {
  std::optional<Ip4> network = ip4_argument(draft, statement, 0);
  std::optional<uint8_t> prefix = mask_argument(draft, statement, 1);
  if (statement.args.size() == 3 && statement.args[2] != "nopool") {
    draft.error(statement, "the third argument can only be nopool, not '" + statement.args[2] + "'");
  }
  if (!network || !prefix) return;
  if (*prefix < 16 || *prefix > 29) {
    return draft.error(statement,
                       "the network must be from /16 to /29 (netmask 255.255.0.0 to 255.255.255.248), not /" +
                           std::to_string(*prefix));
  }
  uint32_t base = to_u32(*network);
  if ((base & ~mask_of(*prefix)) != 0) {
    return draft.error(statement, to_text(*network) + " has bits behind the netmask: did you mean " +
                                      to_text(to_ip4(base & mask_of(*prefix))) + "?");
  }
  uint32_t broadcast = base | ~mask_of(*prefix);
  draft.config.pool4 = Pool4{*network, *prefix, to_ip4(base + 1), to_ip4(base + 2), to_ip4(broadcast - 1)};
}

void read_server_ipv6(Draft& draft, const Statement& statement) {
  std::optional<Prefix6> prefix = prefix6_argument(draft, statement, 0, 64, 124);
  if (!prefix) return;
  Ip6 network = network_of(prefix->address, prefix->length);
  if (network != prefix->address) {
    return draft.error(statement, statement.args[0] + " has bits behind its length: did you mean " + to_text(network) +
                                      "/" + std::to_string(prefix->length) + "?");
  }
  // Large networks start at 0x1000 and small ones at 2, as in the reference (helper.c).
  Ip6 first = add(network, prefix->length < 112 ? 0x1000 : 2);
  draft.config.pool6 = Pool6{network, prefix->length, add(network, 1), first};
}

void read_topology(Draft& draft, const Statement& statement) {
  for (auto topology : {openvpn::Topology::kSubnet, openvpn::Topology::kP2p, openvpn::Topology::kNet30}) {
    if (statement.args[0] != openvpn::topology_name(topology)) continue;
    draft.config.topology = topology;
    return;
  }
  draft.error(statement, "'" + statement.args[0] + "' is not a topology: write topology subnet");
}

void read_ifconfig(Draft& draft, const Statement& statement) {
  ip4_argument(draft, statement, 0);  // what the second one means depends on the topology: finish_network
}

void read_ifconfig_ipv6(Draft& draft, const Statement& statement) {
  if (!prefix6_argument(draft, statement, 0, 64, 124)) return;
  ip6_argument(draft, statement, 1);
}

void read_ifconfig_pool(Draft& draft, const Statement& statement) {
  std::optional<Ip4> first = ip4_argument(draft, statement, 0);
  std::optional<Ip4> last = ip4_argument(draft, statement, 1);
  if (statement.args.size() == 3) mask_argument(draft, statement, 2);
  if (first && last && to_u32(*first) > to_u32(*last)) draft.error(statement, "the first address is behind the last");
}

void read_ifconfig_pool_persist(Draft& draft, const Statement& statement) {
  if (statement.args[0].empty()) return draft.error(statement, "names no file");
  PersistentPool persistent;
  if (statement.args.size() == 2) {
    auto every = number_argument(draft, statement, 1, 0, 86400);
    if (!every) return;
    persistent.every = std::chrono::seconds(*every);
  }
  draft.config.persistent_pool = persistent;
}

void read_ifconfig_push_constraint(Draft& draft, const Statement& statement) {
  auto network = ip4_argument(draft, statement, 0);
  auto prefix = mask_argument(draft, statement, 1);
  if (network && prefix) draft.config.access.ifconfig_push_constraint = {*network, *prefix};
}

void read_ifconfig_ipv6_pool(Draft& draft, const Statement& statement) {
  prefix6_argument(draft, statement, 0, 64, 124);
}

void read_client_to_client(Draft& draft, const Statement&) {
  draft.config.settings.client_to_client = true;
}

void read_duplicate_cn(Draft& draft, const Statement&) {
  draft.config.duplicate_cn = draft.config.settings.duplicate_cn = true;
}

void read_max_clients(Draft& draft, const Statement& statement) {
  if (auto n = number_argument(draft, statement, 0, 1, kMaxClients)) draft.config.settings.max_clients = *n;
}

void read_connect_freq_initial(Draft& draft, const Statement& statement) {
  auto n = number_argument(draft, statement, 0, 1, 1000000);
  auto seconds = number_argument(draft, statement, 1, 1, 3600);
  if (!n || !seconds) return;
  // The engine counts per 10 s. The limit for all together keeps its ratio of 200 to that of one network.
  uint64_t per_network = std::max<uint64_t>(1, (uint64_t{*n} * 10 + *seconds - 1) / *seconds);
  draft.config.settings.initial_per_network = static_cast<uint32_t>(per_network);
  draft.config.settings.initial_in_all = static_cast<uint32_t>(std::min<uint64_t>(per_network * 200, UINT32_MAX));
}

void read_connect_freq(Draft& draft, const Statement& statement) {
  auto n = number_argument(draft, statement, 0, 1, 1000000);
  auto seconds = number_argument(draft, statement, 1, 1, 86400);
  if (!n || !seconds) return;
  draft.config.settings.connects_per_window = *n;
  draft.config.settings.connect_window = std::chrono::seconds(*seconds);
}

void read_dev(Draft& draft, const Statement& statement) {
  const std::string& name = statement.args[0];
  if (name == "tun") {
    draft.config.dev_name.clear();
    return;
  }
  if (name == "null") return draft.error(statement, "a server without a tunnel device is not supported: write dev tun");
  if (!good_device_name(name))
    return draft.error(statement, "'" + name + "' can't be the name of an interface (at most 15 characters)");
  draft.config.dev_name = name;  // finish_network checks that it is a TUN
}

void read_dev_type(Draft& draft, const Statement& statement) {
  if (statement.args[0] == "tap")
    return draft.error(statement, "bridges and dev tap are not supported: use dev-type tun and server");
  if (statement.args[0] != "tun")
    draft.error(statement, "'" + statement.args[0] + "' is not a type: write dev-type tun");
}

void read_txqueuelen(Draft& draft, const Statement& statement) {
  if (auto n = number_argument(draft, statement, 0, 1, 1000000)) draft.config.tun_tx_queue_length = *n;
}

}  // namespace culvert::config
