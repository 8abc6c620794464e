#include "control/openvpn/rate_limit.h"

#include <gtest/gtest.h>

namespace culvert::openvpn {
namespace {

using namespace std::chrono_literals;
constexpr MonoTime kFirstAsk{1000s};

abi::IpAddress v4(uint32_t host) {
  abi::IpAddress address;
  address.family = abi::Family::kIpv4;
  for (size_t i = 0; i < 4; ++i) address.bytes[i] = static_cast<uint8_t>(host >> (24 - 8 * i));
  return address;
}
abi::IpAddress v6(uint8_t network, uint8_t host) {
  abi::IpAddress address;
  address.family = abi::Family::kIpv6;
  address.bytes[7] = network;
  address.bytes[15] = host;
  return address;
}
int allowed(RateLimit& limit, const abi::IpAddress& source, MonoTime now, int tries) {
  int count = 0;
  for (int i = 0; i < tries; ++i) count += limit.allow(source, now);
  return count;
}

TEST(RateLimit, PerNetwork) {
  RateLimit limit(100, 100000, 1);
  EXPECT_EQ(allowed(limit, v4(1), kFirstAsk, 1000), 100);
  EXPECT_EQ(allowed(limit, v4(2), kFirstAsk, 1000), 100) << "another /32 is not affected";
  EXPECT_EQ(allowed(limit, v4(1), kFirstAsk + 1s, 1000), 10) << "refilled continuously";
  EXPECT_EQ(allowed(limit, v4(1), kFirstAsk + 1h, 1000), 100) << "never above one period's worth";
}

TEST(RateLimit, OneIpv6SubscriberIsASlash64) {
  RateLimit limit(100, 100000, 1);
  EXPECT_EQ(allowed(limit, v6(1, 1), kFirstAsk, 60), 60);
  EXPECT_EQ(allowed(limit, v6(1, 2), kFirstAsk, 60), 40);
  EXPECT_EQ(allowed(limit, v6(2, 1), kFirstAsk, 60), 60);
}

TEST(RateLimit, InAll) {
  RateLimit limit(100, 1000, 1);
  int count = 0;
  for (uint32_t host = 0; host < 5000; ++host) count += limit.allow(v4(host), kFirstAsk);
  EXPECT_EQ(count, 1000);
}

TEST(RateLimit, ProofGivesTheTokenBack) {
  RateLimit limit(1, 1000, 1);
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(limit.allow(v4(1), kFirstAsk));
    EXPECT_FALSE(limit.allow(v4(1), kFirstAsk));
    limit.proved(v4(1));
  }
}

TEST(RateLimit, ProofOfWhatWasNeverAskedGivesNothing) {
  RateLimit limit(2, 1000, 1);
  EXPECT_TRUE(limit.allow(v4(1), kFirstAsk));
  for (int i = 0; i < 10; ++i) limit.proved(v4(1));
  EXPECT_EQ(allowed(limit, v4(1), kFirstAsk, 100), 2);
}

TEST(RateLimit, AClockThatGoesBackDoesNotFillIt) {
  RateLimit limit(10, 1000, 1);
  EXPECT_EQ(allowed(limit, v4(1), kFirstAsk, 100), 10);
  EXPECT_EQ(allowed(limit, v4(1), kFirstAsk - 500s, 100), 0);
}

}  // namespace
}  // namespace culvert::openvpn
