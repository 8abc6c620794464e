#include "dataplane/packet.h"

#include <gtest/gtest.h>

namespace culvert {
namespace {

abi::Endpoint sample() {
  abi::Endpoint end;
  end.address.family = abi::Family::kIpv6;
  for (size_t i = 0; i < end.address.bytes.size(); ++i) end.address.bytes[i] = static_cast<uint8_t>(i + 1);
  end.transport = abi::Transport::kTcp;
  end.port = 1194;
  end.scope_id = 7;
  return end;
}

TEST(LocalEnd, IsTheEndpointLessItsStream) {
  abi::Endpoint of_peer = sample();
  of_peer.stream = 99;
  LocalEnd local = of_peer;
  EXPECT_EQ(abi::Endpoint(local), sample());
  EXPECT_EQ(local, sample());
}

TEST(LocalEnd, DiffersInEachField) {
  const LocalEnd local = sample();
  abi::Endpoint other = sample();
  other.address.bytes[15] ^= 1;
  EXPECT_FALSE(local == LocalEnd(other));
  other = sample();
  other.address.family = abi::Family::kIpv4;
  EXPECT_FALSE(local == LocalEnd(other));
  other = sample();
  other.transport = abi::Transport::kUdp;
  EXPECT_FALSE(local == LocalEnd(other));
  other = sample();
  other.port = 1195;
  EXPECT_FALSE(local == LocalEnd(other));
  other = sample();
  other.scope_id = 8;
  EXPECT_FALSE(local == LocalEnd(other));
}

}  // namespace
}  // namespace culvert
