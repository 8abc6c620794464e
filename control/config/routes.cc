// Routes of the kernel into the tunnel: route, route-ipv6 and what sets their defaults (vpn-network-options.rst).
#include "control/config/arguments.h"
#include "control/config/readers.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::config {
namespace {

/// The word that stands for "as if it were not there".
constexpr std::string_view kDefault = "default";

/// Routes through another interface are the machine's own, not the tunnel's.
constexpr std::string_view kNotInTunnel =
    " is not a gateway inside the tunnel: leave it out, or set this route with `ip route add … via …`";

/// Argument `index`, or the argument of directive `otherwise`; null: neither says one.
const std::string* argument_or(const Draft& draft, const Statement& statement, size_t index, const char* otherwise) {
  if (index < statement.args.size() && statement.args[index] != kDefault) return &statement.args[index];
  const Statement* fallback = otherwise != nullptr ? draft.find(otherwise) : nullptr;
  return fallback != nullptr ? &fallback->args[0] : nullptr;
}

uint32_t metric_of(Draft& draft, const Statement& statement, size_t index) {
  const std::string* text = argument_or(draft, statement, index, "route-metric");
  return text != nullptr ? to_number(*text).value_or(0) : 0;
}

bool inside(const Draft& draft, const Ip4& gateway) {
  const std::optional<Pool4>& pool = draft.config.pool4;
  if (!pool) return false;
  uint32_t address = to_u32(gateway);
  bool network = (address & mask_of(pool->prefix)) == (to_u32(pool->network) & mask_of(pool->prefix));
  return network || gateway == pool->peer || (address >= to_u32(pool->first) && address <= to_u32(pool->last));
}

bool same_network(const abi::TunRoute& a, const abi::IpAddress& network, uint8_t prefix) {
  return a.network == network && a.prefix == prefix;
}

/// Adds it, unless the kernel has it already: the network of the TUN's own address, or one that `server` makes. The
/// reference tries to set it, and goes on when the kernel says so.
void add_route(Draft& draft, const Statement& statement, const abi::TunRoute& route) {
  const std::optional<Pool4>& pool4 = draft.config.pool4;
  const std::optional<Pool6>& pool6 = draft.config.pool6;
  bool of_tun = pool4 && draft.config.topology == openvpn::Topology::kSubnet &&
                same_network(route, abi::ipv4(pool4->network), pool4->prefix);
  of_tun |= pool6 && same_network(route, abi::ipv6(pool6->network), pool6->prefix);
  for (const abi::TunRoute& other : draft.config.routes)
    of_tun |= same_network(route, other.network, other.prefix) && route.metric == other.metric;
  if (of_tun) return draft.warning(statement, "has no effect: this network is reached through the tunnel in any case");
  draft.config.routes.push_back(route);
}

void finish_route4(Draft& draft, const Statement& statement) {
  std::optional<Ip4> network = parse_ip4(statement.args[0]);
  const std::string* mask = argument_or(draft, statement, 1, nullptr);
  std::optional<uint8_t> prefix = mask != nullptr ? parse_mask(*mask) : std::optional<uint8_t>(32);
  if (!network || !prefix) return;  // reported when it was read
  abi::TunRoute route{.network = abi::ipv4(*network), .prefix = *prefix};
  if (to_ip4(to_u32(*network) & mask_of(*prefix)) != *network)
    return draft.error(statement, "has bits behind the netmask: did you mean " +
                                      to_text(to_ip4(to_u32(*network) & mask_of(*prefix))) + "?");
  const std::string* gateway = argument_or(draft, statement, 2, "route-gateway");
  if (gateway != nullptr && *gateway != "vpn_gateway") {
    std::optional<Ip4> address = parse_ip4(*gateway);
    if (!address || !inside(draft, *address)) return draft.error(statement, *gateway + std::string(kNotInTunnel));
    // The server's own address is no gateway to the kernel; what is meant is the TUN.
    if (*address != draft.config.pool4->gateway) route.gateway = abi::ipv4(*address);
  }
  route.metric = metric_of(draft, statement, 3);
  add_route(draft, statement, route);
}

void finish_route6(Draft& draft, const Statement& statement) {
  std::optional<Prefix6> network = parse_prefix6(statement.args[0]);
  if (!network) return;
  abi::TunRoute route{.network = abi::ipv6(network->address), .prefix = network->length};
  if (network_of(network->address, network->length) != network->address)
    return draft.error(statement, "has bits behind its length: did you mean " +
                                      to_text(network_of(network->address, network->length)) + "/" +
                                      std::to_string(network->length) + "?");
  const std::string* gateway = argument_or(draft, statement, 1, "route-ipv6-gateway");
  if (gateway != nullptr && *gateway != "vpn_gateway") {
    std::optional<Prefix6> address = parse_prefix6(*gateway + "/128");
    const std::optional<Pool6>& pool = draft.config.pool6;
    if (!address || !pool || network_of(address->address, pool->prefix) != pool->network)
      return draft.error(statement, *gateway + std::string(kNotInTunnel));
    if (address->address != pool->gateway) route.gateway = abi::ipv6(address->address);
  }
  route.metric = metric_of(draft, statement, 2);
  add_route(draft, statement, route);
}

}  // namespace

void read_route(Draft& draft, const Statement& statement) {
  bool good = ip4_argument(draft, statement, 0).has_value();
  if (statement.args.size() > 1 && statement.args[1] != kDefault)
    good &= mask_argument(draft, statement, 1).has_value();
  if (statement.args.size() > 3 && statement.args[3] != kDefault)
    good &= number_argument(draft, statement, 3, 0, INT32_MAX).has_value();
  if (good) draft.routes.push_back(&statement);
}

void read_route_ipv6(Draft& draft, const Statement& statement) {
  bool good = prefix6_argument(draft, statement, 0, 0, 128).has_value();
  if (statement.args.size() > 2 && statement.args[2] != kDefault)
    good &= number_argument(draft, statement, 2, 0, INT32_MAX).has_value();
  if (good) draft.routes.push_back(&statement);
}

void read_route_gateway(Draft& draft, const Statement& statement) {
  if (statement.args[0] == "dhcp") return draft.error(statement, "a TUN has no DHCP: name an address, or remove it");
  ip4_argument(draft, statement, 0);
}

void read_route_ipv6_gateway(Draft& draft, const Statement& statement) {
  ip6_argument(draft, statement, 0);
}

void read_route_metric(Draft& draft, const Statement& statement) {
  number_argument(draft, statement, 0, 0, INT32_MAX);
}

void finish_routes(Draft& draft) {
  const size_t own = draft.config.routes.size();  // those that `server` itself needs
  for (const Statement* statement : draft.routes)
    statement->name == "route" ? finish_route4(draft, *statement) : finish_route6(draft, *statement);
  if (draft.find("route-noexec") != nullptr) draft.config.routes.resize(own);
}

}  // namespace culvert::config
