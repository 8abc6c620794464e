// The cookie must refuse whatever differs: this check was inverted in the reference for years (CVE-2025-13086).
#include "control/openvpn/cookie.h"

#include <gtest/gtest.h>

#include "dataplane/abi/endpoint_text.h"

namespace culvert::openvpn {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::array<uint8_t, 32> kSecret = {1, 2, 3};
constexpr wire::SessionId kClient = {1, 2, 3, 4, 5, 6, 7, 8};

Now now_at(MonoClock::duration mono, int64_t wall = 1700000000) {
  return {MonoTime(mono), std::chrono::sys_seconds(seconds(wall))};
}

abi::Endpoint endpoint(const std::string& address, uint16_t port) {
  abi::Endpoint made;
  made.address = *abi::parse_ip(address);
  made.port = port;
  return made;
}

const abi::Endpoint kRemote = endpoint("192.0.2.1", 1194);

TEST(Cookie, AcceptsItsOwn) {
  const Cookie cookie(kSecret, seconds(60));
  const auto id = cookie.make(kClient, kRemote, now_at(seconds(1000)));
  EXPECT_NE(id, wire::SessionId{});
  EXPECT_TRUE(cookie.accepts(id, kClient, kRemote, now_at(seconds(1000))));
  const abi::Endpoint six = endpoint("2001:db8::1", 1194);
  EXPECT_TRUE(cookie.accepts(cookie.make(kClient, six, now_at(seconds(1000))), kClient, six, now_at(seconds(1000))));
}

TEST(Cookie, RefusesAnotherAddressPortTransportOrClient) {
  const Cookie cookie(kSecret, seconds(60));
  const Now now = now_at(seconds(1000));
  const auto id = cookie.make(kClient, kRemote, now);
  std::vector<abi::Endpoint> others = {endpoint("192.0.2.2", 1194), endpoint("192.0.2.1", 1195),
                                       endpoint("192.0.2.1", 1194 + 256), endpoint("192.0.2.1", 0),
                                       endpoint("c000:201::", 1194)};  // the same 16 bytes, but IPv6
  EXPECT_EQ(others.back().address.bytes, kRemote.address.bytes);
  others.push_back(kRemote);
  others.back().transport = abi::Transport::kTcp;
  others.push_back(kRemote);
  others.back().scope_id = 1;
  for (const abi::Endpoint& other : others) EXPECT_FALSE(cookie.accepts(id, kClient, other, now)) << to_text(other);
  for (size_t i = 0; i < kClient.size(); ++i) {
    wire::SessionId client = kClient;
    client[i] ^= 1;
    EXPECT_FALSE(cookie.accepts(id, client, kRemote, now)) << i;
  }
}

TEST(Cookie, RefusesEveryFlippedBitAndZero) {
  const Cookie cookie(kSecret, seconds(60));
  const Now now = now_at(seconds(1000));
  const auto id = cookie.make(kClient, kRemote, now);
  for (size_t bit = 0; bit < 64; ++bit) {
    auto changed = id;
    changed[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_FALSE(cookie.accepts(changed, kClient, kRemote, now)) << bit;
  }
  EXPECT_FALSE(cookie.accepts({}, kClient, kRemote, now));
}

TEST(Cookie, RefusesAnotherSecret) {
  const Cookie cookie(kSecret, seconds(60));
  const Now now = now_at(seconds(1000));
  const auto id = cookie.make(kClient, kRemote, now);
  for (size_t i = 0; i < kSecret.size(); ++i) {
    auto secret = kSecret;
    secret[i] ^= 0x40;
    EXPECT_FALSE(Cookie(secret, seconds(60)).accepts(id, kClient, kRemote, now)) << i;
  }
}

TEST(Cookie, LivesForTheSlotItIsMadeInAndTwoMore) {
  const Cookie cookie(kSecret, seconds(60));  // slots of 30 s: 990 begins one
  const auto id = cookie.make(kClient, kRemote, now_at(seconds(990)));
  EXPECT_EQ(id, cookie.make(kClient, kRemote, now_at(seconds(1020) - milliseconds(1))));
  EXPECT_NE(id, cookie.make(kClient, kRemote, now_at(seconds(1020))));
  EXPECT_TRUE(cookie.accepts(id, kClient, kRemote, now_at(seconds(1020))));
  EXPECT_TRUE(cookie.accepts(id, kClient, kRemote, now_at(seconds(1080) - milliseconds(1))));
  EXPECT_FALSE(cookie.accepts(id, kClient, kRemote, now_at(seconds(1080))));
  EXPECT_FALSE(cookie.accepts(id, kClient, kRemote, now_at(seconds(100000))));
  // From the future: not before its slot begins.
  EXPECT_FALSE(cookie.accepts(id, kClient, kRemote, now_at(seconds(990) - milliseconds(1))));
  EXPECT_FALSE(cookie.accepts(id, kClient, kRemote, now_at(seconds(0))));
}

TEST(Cookie, SlotIsHalfOfTheHandWindow) {
  const Cookie odd(kSecret, seconds(5));  // 3 s
  const auto id = odd.make(kClient, kRemote, now_at(seconds(9)));
  EXPECT_TRUE(odd.accepts(id, kClient, kRemote, now_at(seconds(18) - milliseconds(1))));
  EXPECT_FALSE(odd.accepts(id, kClient, kRemote, now_at(seconds(18))));
  const Cookie shortest(kSecret, seconds(0));
  EXPECT_TRUE(
      shortest.accepts(shortest.make(kClient, kRemote, now_at(seconds(9))), kClient, kRemote, now_at(seconds(9))));
}

TEST(Cookie, DoesNotMindTheWallClock) {
  const Cookie cookie(kSecret, seconds(60));
  const auto id = cookie.make(kClient, kRemote, now_at(seconds(1000)));
  EXPECT_TRUE(cookie.accepts(id, kClient, kRemote, now_at(seconds(1001), 0)));
  EXPECT_TRUE(cookie.accepts(id, kClient, kRemote, now_at(seconds(1001), 1700000000 + 50LL * 365 * 86400)));
}

}  // namespace
}  // namespace culvert::openvpn
