#include "control/policy/admission.h"

#include <algorithm>

#include "control/config/arguments.h"
#include "control/config/statement.h"
#include "control/hooks/environment.h"
#include "dataplane/abi/endpoint_text.h"

namespace culvert::policy {
namespace {

constexpr const char* kFull = "TEMP:server is full";  // a place may be free in a moment, see kAddressTaken

/// Addresses from `first` to the end of its network, at most `limit`.
uint32_t room_after(const config::Pool6& pool, uint32_t limit) {
  uint32_t host_bits = 128u - pool.prefix;
  if (host_bits > 32) return limit;
  uint64_t offset = 0;
  for (size_t i = 12; i < 16; ++i) offset = offset << 8 | pool.first[i];
  uint64_t size = uint64_t{1} << host_bits;
  offset &= size - 1;
  return static_cast<uint32_t>(std::min<uint64_t>(limit, size - offset));
}

/// An address for the client, from the pool as far as the operator has not set one. Nothing: `refused` says why.
std::optional<pool::Lease> place(const config::ServerConfig& config, const std::string& name, const ClientSettings& own,
                                 pool::AddressPool& addresses, MonoTime now, std::optional<uint32_t> before,
                                 Refused& refused) {
  bool need4 = config.pool4 && !own.ip4;
  bool need6 = config.pool6 && !own.ip6 && !own.no_ip6;
  std::vector<abi::IpAddress> fixed;
  if (own.ip4) fixed.push_back(abi::ipv4(own.ip4->address));
  if (own.ip6) fixed.push_back(abi::ipv6(own.ip6->address));
  for (const abi::IpAddress& address : fixed) {
    pool::AddressPool::Exact exact = addresses.take_exact(name, address);
    if (exact.lease) return exact.lease;  // the slot's other address is free as well
    if (!exact.inside) continue;
    refused = {kAddressTaken, abi::to_text(address) +
                                  ", which is set for this client, belongs to another session: keep such " +
                                  "addresses outside ifconfig-pool"};
    return std::nullopt;
  }
  if (!need4 && !need6) return std::nullopt;
  auto lease = addresses.take(name, now, before);
  if (!lease)
    refused = {kFull, "no address is left of " + std::to_string(addresses.capacity()) + ": give `server` in " +
                          config.file + " a larger network"};
  return lease;
}

/// Is this pushed option a route to a network that lies behind the client itself (iroute)? It would take that network
/// for one behind the gateway (push.c, remove_iroutes_from_push_route_list).
bool leads_back(const std::string& option, const std::vector<abi::InnerPrefix>& behind) {
  auto words = config::split_line(option);
  if (!words || words->size() < 2) return false;
  abi::InnerPrefix network;
  if (words->front() == "route" && words->size() <= 3) {
    auto address = config::parse_ip4((*words)[1]);
    auto prefix = words->size() == 3 ? config::parse_mask((*words)[2]) : std::optional<uint8_t>(32);
    if (!address || !prefix) return false;
    network = {.address = abi::ipv4(*address), .length = *prefix};
  } else if (words->front() == "route-ipv6" && words->size() == 2) {
    auto prefix = config::parse_prefix6((*words)[1]);
    if (!prefix) return false;
    network = {.address = abi::ipv6(prefix->address), .length = prefix->length};
  } else {
    return false;
  }
  return std::ranges::any_of(behind, [&network](const abi::InnerPrefix& other) {
    return other.address == network.address && other.length == network.length;
  });
}

}  // namespace

std::string session_name(const config::ServerConfig& config, const openvpn::ClientIdentity& identity) {
  if (!config.access.username_as_common_name) return identity.common_name;
  return hooks::tame_name(identity.username);
}

pool::AddressRanges ranges_of(const config::ServerConfig& config) {
  pool::AddressRanges ranges;
  if (config.pool4) {
    ranges.v4 = {.first = config.pool4->first,
                 .last = config.pool4->last,
                 .in_fours = config.topology == openvpn::Topology::kNet30};
    ranges.reserved.push_back(abi::ipv4(config.pool4->gateway));
  }
  if (config.pool6) {
    ranges.v6 = {.first = config.pool6->first};
    ranges.reserved.push_back(abi::ipv6(config.pool6->gateway));
    ranges.max_slots = room_after(*config.pool6, ranges.max_slots);
  }
  return ranges;
}

/// Why a client does not get in whatever its addresses; empty: it may.
static std::string why_not(const config::ServerConfig& config, const openvpn::ConnectRequest& request, bool revoked,
                           const ClientSettings& own) {
  bool may_lack_name = !config.tls.require_peer_certificate;
  if (request.identity.common_name.empty() && !may_lack_name)
    return "its certificate has no common name, by which sessions are known: issue one with a name";
  if (revoked) return "its certificate " + request.identity.serial + " is revoked";
  if (own.disabled) return "disabled in its client-config-dir file, or by client-connect";
  if (config.access.ccd_exclusive && !own.found_own_file)
    return "no file of its name in " + config.access.client_config_dir + " (ccd-exclusive)";
  return "";
}

void apply(const config::ServerConfig&, const ClientSettings& own, openvpn::ClientGrant& grant) {
  grant.push = own.push;
  std::erase_if(grant.push, [&own](const std::string& option) { return leads_back(option, own.routes); });
  grant.routes = own.routes;
  grant.limit = own.limits.rate;
  if (own.no_ip6) grant.ip6 = {};
}

Decision decide(const config::ServerConfig& config, const openvpn::ConnectRequest& request, bool revoked,
                const ClientSettings& own, pool::AddressPool& addresses, MonoTime now, std::optional<uint32_t> before) {
  if (std::string why = why_not(config, request, revoked, own); !why.empty()) return Refused{"", why};
  if (addresses.taken() >= config.settings.max_clients)
    return Refused{
        kFull, "max-clients " + std::to_string(config.settings.max_clients) + " reached: raise it in " + config.file};
  Refused refused;
  Admitted admitted{.lease = place(config, request.identity.common_name, own, addresses, now, before, refused),
                    .grant = {}};
  if (!refused.for_operator.empty()) return refused;
  openvpn::ClientGrant& grant = admitted.grant;
  grant.name = request.identity.common_name;
  if (config.pool4) {
    grant.ip4_gateway = config.pool4->gateway;
    grant.ip4_prefix = config.pool4->prefix;
    grant.topology = config.topology;
    grant.ip4_peer = config.pool4->gateway;
    if (admitted.lease) {
      grant.ip4 = admitted.lease->ip4;
      if (config.topology == openvpn::Topology::kNet30) grant.ip4_peer = admitted.lease->peer;
    }
  }
  if (own.ip4) {
    grant.ip4 = own.ip4->address;
    grant.ip4_prefix = own.ip4->prefix;
    grant.ip4_alias = own.ip4->alias;
    if (config.topology != openvpn::Topology::kSubnet) grant.ip4_peer = own.ip4->peer;
  }
  if (config.pool6) {
    grant.ip6_gateway = config.pool6->gateway;
    grant.ip6_prefix = config.pool6->prefix;
    if (admitted.lease) grant.ip6 = admitted.lease->ip6;
  }
  if (own.ip6) {
    grant.ip6 = own.ip6->address;
    grant.ip6_prefix = own.ip6->prefix;
    if (own.ip6->gateway) grant.ip6_gateway = *own.ip6->gateway;
  }
  apply(config, own, grant);
  return admitted;
}

}  // namespace culvert::policy
