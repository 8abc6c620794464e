#include "control/openvpn/half_open.h"

#include <gtest/gtest.h>

#include "dataplane/abi/endpoint_text.h"

namespace culvert::openvpn {
namespace {

abi::IpAddress ip6(std::initializer_list<uint8_t> beginning) {
  std::array<uint8_t, 16> bytes{};
  std::copy(beginning.begin(), beginning.end(), bytes.begin());
  return abi::ipv6(bytes);
}

TEST(HalfOpen, CountsPerIpv4Address) {
  HalfOpen half_open;
  const abi::IpAddress one = abi::ipv4({192, 0, 2, 1});
  const abi::IpAddress other = abi::ipv4({192, 0, 2, 2});
  half_open.add(one);
  half_open.add(one);
  half_open.add(other);
  EXPECT_EQ(half_open.count(one), 2u);
  EXPECT_EQ(half_open.count(other), 1u);
  half_open.remove(one);
  half_open.remove(one);
  EXPECT_EQ(half_open.count(one), 0u);
  EXPECT_EQ(half_open.count(other), 1u);
  half_open.remove(one);
  EXPECT_EQ(half_open.count(one), 0u);
}

TEST(HalfOpen, CountsPerIpv6Site) {
  HalfOpen half_open;
  half_open.add(ip6({0x20, 1, 0xd, 0xb8, 0, 1, 0, 1}));
  half_open.add(ip6({0x20, 1, 0xd, 0xb8, 0, 1, 0, 2, 9}));
  EXPECT_EQ(half_open.count(ip6({0x20, 1, 0xd, 0xb8, 0, 1, 0xFF, 0xFF})), 2u);
  EXPECT_EQ(half_open.count(ip6({0x20, 1, 0xd, 0xb8, 0, 2})), 0u);
}

TEST(HalfOpen, FamiliesAreNotMixedUp) {
  HalfOpen half_open;
  half_open.add(abi::ipv4({1, 2, 3, 4}));
  EXPECT_EQ(half_open.count(ip6({1, 2, 3, 4})), 0u);
}

}  // namespace
}  // namespace culvert::openvpn
