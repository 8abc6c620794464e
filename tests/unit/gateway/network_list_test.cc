// The networks of a session in the link: what was written is read, and nothing else is believed.
#include "control/gateway/network_list.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "dataplane/abi/endpoint_text.h"

namespace culvert::gateway {
namespace {

using Networks = std::vector<abi::InnerPrefix>;

abi::InnerPrefix net4(uint8_t third, uint8_t length = 24) {
  return {abi::ipv4({198, 51, third, 0}), length};
}
abi::InnerPrefix net6(uint8_t second) {
  return {abi::ipv6({0xfd, second}), 64};
}

bool reads_as(const std::optional<Networks>& got, const Networks& wanted) {
  return got && std::equal(got->begin(), got->end(), wanted.begin(), wanted.end(),
                           [](const auto& a, const auto& b) { return a.address == b.address && a.length == b.length; });
}

class NetworkListTest : public ::testing::Test {
 protected:
  std::unique_ptr<abi::NetworkList> list_ = std::make_unique<abi::NetworkList>();
};

TEST_F(NetworkListTest, WhatWasWrittenIsRead) {
  const Networks networks = {net4(100), net6(1), net4(101, 32), {abi::ipv4({128, 0, 0, 0}), 1}};
  write_networks(*list_, 7, networks);
  EXPECT_TRUE(reads_as(read_networks(*list_, 7), networks));
  write_networks(*list_, 8, Networks{net4(9)});
  EXPECT_TRUE(reads_as(read_networks(*list_, 8), {net4(9)}));
}

TEST_F(NetworkListTest, AnotherLifesListIsNone) {
  write_networks(*list_, 7, Networks{net4(100)});
  EXPECT_FALSE(read_networks(*list_, 6));
  EXPECT_FALSE(read_networks(*list_, 8));
}

TEST_F(NetworkListTest, KeepsAsManyAsAWorkerRoutes) {
  Networks networks;
  for (unsigned i = 0; i < abi::kMaxSessionRoutes + 5; ++i)
    networks.push_back({abi::ipv4({10, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i), 0}), 24});
  write_networks(*list_, 1, networks);
  networks.resize(abi::kMaxSessionRoutes);
  EXPECT_TRUE(reads_as(read_networks(*list_, 1), networks));
}

TEST_F(NetworkListTest, WhatWasTakenAwayIsGone) {
  write_networks(*list_, 7, Networks{net4(100), net4(101), net6(1)});
  take_away(*list_, 6, net4(101));
  EXPECT_TRUE(reads_as(read_networks(*list_, 7), {net4(100), net4(101), net6(1)})) << "that was another life";
  take_away(*list_, 7, net4(101));
  take_away(*list_, 7, net4(101, 32));
  EXPECT_TRUE(reads_as(read_networks(*list_, 7), {net4(100), net6(1)}));
  take_away(*list_, 7, net4(100));
  take_away(*list_, 7, net6(1));
  EXPECT_TRUE(reads_as(read_networks(*list_, 7), {}));
}

TEST_F(NetworkListTest, NothingElseIsBelieved) {
  struct Case {
    const char* name;
    std::function<void(abi::NetworkList&)> spoil;
  };
  const std::vector<Case> cases = {
      {"more than there is room for", [](abi::NetworkList& list) { list.count = abi::kMaxSessionRoutes + 1; }},
      {"2^32 - 1", [](abi::NetworkList& list) { list.count = UINT32_MAX; }},
      {"family", [](abi::NetworkList& list) { list.networks[1].address.family = static_cast<abi::Family>(9); }},
      {"length 0", [](abi::NetworkList& list) { list.networks[1].length = 0; }},
      {"length 33", [](abi::NetworkList& list) { list.networks[0].length = 33; }},
      {"length 129", [](abi::NetworkList& list) { list.networks[1].length = 129; }},
      {"bits behind the length", [](abi::NetworkList& list) { list.networks[0].address.bytes[3] = 1; }},
      {"bits behind an IPv4 address", [](abi::NetworkList& list) { list.networks[0].address.bytes[15] = 1; }},
  };
  for (const Case& each : cases) {
    write_networks(*list_, 7, Networks{net4(100), net6(1)});
    ASSERT_TRUE(read_networks(*list_, 7));
    each.spoil(*list_);
    EXPECT_FALSE(read_networks(*list_, 7)) << each.name;
    list_ = std::make_unique<abi::NetworkList>();
  }
}

}  // namespace
}  // namespace culvert::gateway
