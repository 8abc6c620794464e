#include "control/gateway/network_list.h"

#include <algorithm>
#include <cstring>

namespace culvert::gateway {
namespace {

/// Is it what policy makes of an iroute (client_settings.cc): a known family, a length of 1 to the address's bits,
/// nothing behind them?
bool is_network(const abi::InnerPrefix& network) {
  unsigned bits = network.address.family == abi::Family::kIpv4   ? 32
                  : network.address.family == abi::Family::kIpv6 ? 128
                                                                 : 0;
  if (network.length == 0 || network.length > bits) return false;
  for (unsigned bit = network.length; bit < 8 * network.address.bytes.size(); ++bit)
    if (network.address.bytes[bit / 8] >> (7 - bit % 8) & 1) return false;
  return true;
}

}  // namespace

void write_networks(abi::NetworkList& list, uint32_t generation, std::span<const abi::InnerPrefix> networks) {
  auto kept = networks.first(std::min(networks.size(), list.networks.size()));
  list.generation = generation;
  list.count = static_cast<uint32_t>(kept.size());
  std::copy(kept.begin(), kept.end(), list.networks.begin());
}

std::optional<std::vector<abi::InnerPrefix>> read_networks(const abi::NetworkList& list, uint32_t generation) {
  abi::NetworkList copy;
  std::memcpy(&copy, &list, sizeof copy);
  if (copy.generation != generation || copy.count > copy.networks.size()) return std::nullopt;
  std::vector<abi::InnerPrefix> networks;
  for (const abi::InnerPrefix& network : std::span(copy.networks).first(copy.count)) {
    if (network.address.family == abi::Family::kNone) continue;
    if (!is_network(network)) return std::nullopt;
    networks.push_back(network);
  }
  return networks;
}

void take_away(abi::NetworkList& list, uint32_t generation, const abi::InnerPrefix& network) {
  if (list.generation != generation) return;
  for (abi::InnerPrefix& one : list.networks)
    if (one.length == network.length && one.address == network.address) one.address.family = abi::Family::kNone;
}

}  // namespace culvert::gateway
