#include "control/policy/admission.h"

#include <algorithm>

#include "dataplane/abi/endpoint_text.h"

namespace culvert::policy {
namespace {

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

}  // namespace

pool::AddressRanges ranges_of(const config::ServerConfig& config) {
  pool::AddressRanges ranges;
  if (config.pool4) {
    ranges.v4 = {.first = config.pool4->first, .last = config.pool4->last};
    ranges.reserved.push_back(abi::ipv4(config.pool4->gateway));
  }
  if (config.pool6) {
    ranges.v6 = {.first = config.pool6->first};
    ranges.reserved.push_back(abi::ipv6(config.pool6->gateway));
    ranges.max_slots = room_after(*config.pool6, ranges.max_slots);
  }
  return ranges;
}

Decision decide(const config::ServerConfig& config, const openvpn::ConnectRequest& request, bool revoked,
                pool::AddressPool& addresses, MonoTime now) {
  const std::string& name = request.identity.common_name;
  if (name.empty())
    return Refused{"", "its certificate has no common name, by which sessions are known: issue one with a name"};
  if (revoked) return Refused{"", "its certificate " + request.identity.serial + " is revoked"};
  if (addresses.taken() >= config.settings.max_clients)
    return Refused{"server is full", "max-clients " + std::to_string(config.settings.max_clients) +
                                         " reached: raise it in " + config.file};
  auto lease = addresses.take(name, now);
  if (!lease)
    return Refused{"server is full", "no address is left of " + std::to_string(addresses.capacity()) +
                                         ": give `server` in " + config.file + " a larger network"};
  Admitted admitted{.lease = *lease, .grant = {}};
  if (config.pool4) {
    admitted.grant.ip4 = lease->ip4;
    admitted.grant.ip4_prefix = config.pool4->prefix;
    admitted.grant.ip4_gateway = config.pool4->gateway;
  }
  if (config.pool6) {
    admitted.grant.ip6 = lease->ip6;
    admitted.grant.ip6_prefix = config.pool6->prefix;
    admitted.grant.ip6_gateway = config.pool6->gateway;
  }
  admitted.grant.push = config.push;
  return admitted;
}

}  // namespace culvert::policy
