#include "control/openvpn/half_open.h"

#include <algorithm>

namespace culvert::openvpn {

HalfOpen::Network HalfOpen::network_of(const abi::IpAddress& source) {
  Network network{static_cast<uint8_t>(source.family)};
  std::copy_n(source.bytes.begin(), source.family == abi::Family::kIpv6 ? 6 : 4, network.begin() + 1);
  return network;
}

void HalfOpen::add(const abi::IpAddress& source) {
  ++counts_[network_of(source)];
}

void HalfOpen::remove(const abi::IpAddress& source) {
  auto found = counts_.find(network_of(source));
  if (found != counts_.end() && --found->second == 0) counts_.erase(found);
}

size_t HalfOpen::count(const abi::IpAddress& source) const {
  auto found = counts_.find(network_of(source));
  return found == counts_.end() ? 0 : found->second;
}

}  // namespace culvert::openvpn
