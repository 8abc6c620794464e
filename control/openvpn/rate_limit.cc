#include "control/openvpn/rate_limit.h"

#include <algorithm>

namespace culvert::openvpn {
namespace {

constexpr double kPeriodSeconds = 10;

uint64_t mix(uint64_t value) {  // SplitMix64's finaliser
  value ^= value >> 30;
  value *= 0xbf58476d1ce4e5b9;
  value ^= value >> 27;
  value *= 0x94d049bb133111eb;
  return value ^ value >> 31;
}

}  // namespace

RateLimit::RateLimit(uint32_t per_network, uint32_t in_all, uint64_t seed)
    : per_network_(per_network), in_all_(in_all), seed_(seed), buckets_(kSets * kWays) {
  all_.tokens = in_all_;
}

void RateLimit::set_limits(uint32_t per_network, uint32_t in_all) {
  per_network_ = per_network;
  in_all_ = in_all;
}

uint64_t RateLimit::network_of(const abi::IpAddress& source) const {
  size_t bytes = source.family == abi::Family::kIpv6 ? 8 : 4;
  uint64_t prefix = static_cast<uint64_t>(source.family);
  uint64_t hash = seed_ ^ mix(prefix);
  for (size_t i = 0; i < bytes; ++i) hash = mix(hash + (uint64_t{source.bytes[i]} << 8) + 1);
  return hash | 1;
}

void RateLimit::refill(Bucket& bucket, double per_period, MonoTime now) {
  if (now > bucket.filled) {
    double seconds = std::chrono::duration<double>(now - bucket.filled).count();
    bucket.tokens = std::min(per_period, bucket.tokens + seconds * per_period / kPeriodSeconds);
  }
  bucket.filled = now;
}

RateLimit::Bucket& RateLimit::bucket_of(uint64_t network, MonoTime now) {
  auto set = buckets_.begin() + static_cast<std::ptrdiff_t>((mix(network) % kSets) * kWays);
  auto end = set + kWays;
  auto found = std::find_if(set, end, [&](const Bucket& bucket) { return bucket.network == network; });
  if (found == end) {
    // Of the four, the one that was quiet longest: it has most tokens back, so the least is forgotten with it.
    found = std::min_element(set, end, [](const Bucket& a, const Bucket& b) {
      return a.network == 0 || (b.network != 0 && a.filled < b.filled);
    });
    *found = Bucket{network, per_network_, now};
  }
  return *found;
}

bool RateLimit::allow(const abi::IpAddress& source, MonoTime now) {
  refill(all_, in_all_, now);
  Bucket& bucket = bucket_of(network_of(source), now);
  refill(bucket, per_network_, now);
  if (bucket.tokens < 1 || all_.tokens < 1) return false;
  bucket.tokens -= 1;
  all_.tokens -= 1;
  return true;
}

void RateLimit::proved(const abi::IpAddress& source) {
  uint64_t network = network_of(source);
  auto set = buckets_.begin() + static_cast<std::ptrdiff_t>((mix(network) % kSets) * kWays);
  for (auto bucket = set; bucket != set + kWays; ++bucket)
    if (bucket->network == network) bucket->tokens = std::min(per_network_, bucket->tokens + 1);
  all_.tokens = std::min(in_all_, all_.tokens + 1);
}

}  // namespace culvert::openvpn
