// How many first packets are answered per network and in all. A network is an IPv4 /32 or an IPv6 /64: what one
// subscriber gets. Memory is fixed, whoever sends.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "control/now.h"
#include "dataplane/abi/endpoint.h"

namespace culvert::openvpn {

class RateLimit {
 public:
  /// `per_network`, `in_all`: packets per 10 s, refilled continuously, so that an honest client has a chance at any
  /// moment of a flood instead of only at the start of each period. `seed` keeps senders from choosing which networks
  /// share a slot.
  RateLimit(uint32_t per_network, uint32_t in_all, uint64_t seed);

  /// Takes one token of the network and of all. False: too many.
  bool allow(const abi::IpAddress& source, MonoTime now);
  /// The sender proved its address: that packet does not count against its network (mudp.c, reflect filter).
  void proved(const abi::IpAddress& source);
  void set_limits(uint32_t per_network, uint32_t in_all);

 private:
  static constexpr size_t kSets = 2048;
  static constexpr size_t kWays = 4;
  struct Bucket {
    uint64_t network = 0;  ///< 0: unused
    double tokens = 0;
    MonoTime filled{};
  };
  uint64_t network_of(const abi::IpAddress& source) const;
  Bucket& bucket_of(uint64_t network, MonoTime now);
  static void refill(Bucket& bucket, double per_period, MonoTime now);

  double per_network_;
  double in_all_;
  uint64_t seed_;
  Bucket all_;
  std::vector<Bucket> buckets_;  // kSets × kWays, allocated once
};

}  // namespace culvert::openvpn
