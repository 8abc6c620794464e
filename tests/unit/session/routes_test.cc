#include "dataplane/session/routes.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <unordered_map>

namespace culvert::session {
namespace {

using Address = std::array<uint8_t, 16>;

Address parse(const char* text) {
  Address address{};
  if (inet_pton(AF_INET, text, address.data()) != 1) inet_pton(AF_INET6, text, address.data());
  return address;
}

TEST(Routes, LongestPrefixWins) {
  Routes routes(100);
  ASSERT_TRUE(routes.ok());
  routes.add(make_prefix(4, parse("0.0.0.0").data(), 0), 1);
  routes.add(make_prefix(4, parse("10.0.0.0").data(), 8), 2);
  routes.add(make_prefix(4, parse("10.8.0.0").data(), 24), 3);
  routes.add(make_prefix(4, parse("10.8.0.2").data(), 32), 4);
  struct Case {
    const char* address;
    uint32_t session;
  };
  for (Case c : {Case{"192.0.2.1", 1}, Case{"10.9.0.1", 2}, Case{"10.8.0.1", 3}, Case{"10.8.0.2", 4}})
    EXPECT_EQ(routes.find(4, parse(c.address).data()), c.session) << c.address;
  EXPECT_EQ(routes.find(6, parse("fd00::1").data()), Routes::kNone) << "families are apart";

  routes.remove(make_prefix(4, parse("10.8.0.2").data(), 32));
  EXPECT_EQ(routes.find(4, parse("10.8.0.2").data()), 3u);
  routes.remove(make_prefix(4, parse("0.0.0.0").data(), 0));
  EXPECT_EQ(routes.find(4, parse("192.0.2.1").data()), Routes::kNone);
}

TEST(Routes, SixteenBytesCount) {
  Routes routes(100);
  routes.add(make_prefix(6, parse("fd00::").data(), 64), 1);
  routes.add(make_prefix(6, parse("fd00::100").data(), 120), 2);
  routes.add(make_prefix(6, parse("fd00::1ff").data(), 128), 3);
  EXPECT_EQ(routes.find(6, parse("fd00::1:0:0:0").data()), 1u);
  EXPECT_EQ(routes.find(6, parse("fd00::200").data()), 1u);
  EXPECT_EQ(routes.find(6, parse("fd00::101").data()), 2u);
  EXPECT_EQ(routes.find(6, parse("fd00::1ff").data()), 3u);
  EXPECT_EQ(routes.find(6, parse("fd00:0:0:1::").data()), Routes::kNone);
}

TEST(Routes, BitsBehindTheLengthDoNotMatter) {
  EXPECT_EQ(make_prefix(4, parse("10.8.0.77").data(), 24), make_prefix(4, parse("10.8.0.0").data(), 24));
  EXPECT_EQ(make_prefix(6, parse("fd00::7").data(), 65), make_prefix(6, parse("fd00::").data(), 65));
}

TEST(Routes, FullTableRefuses) {
  Routes routes(2);
  EXPECT_TRUE(routes.add(make_prefix(4, parse("10.0.0.1").data(), 32), 1));
  EXPECT_TRUE(routes.add(make_prefix(4, parse("10.0.0.2").data(), 32), 2));
  EXPECT_FALSE(routes.add(make_prefix(4, parse("10.0.0.3").data(), 32), 3));
  EXPECT_TRUE(routes.add(make_prefix(4, parse("10.0.0.2").data(), 32), 4)) << "replacing needs no room";
  EXPECT_EQ(routes.find(4, parse("10.0.0.2").data()), 4u);
}

TEST(Routes, AgreesWithATableThatTriesEveryLength) {
  std::mt19937 random(11);
  Routes routes(2000);
  std::map<std::pair<uint32_t, uint8_t>, uint32_t> model;  // (address, length) → session
  auto mask = [](uint32_t address, uint8_t length) { return length == 0 ? 0 : address & (~0u << (32 - length)); };
  for (uint32_t round = 0; round < 20000; ++round) {
    uint32_t address = 0x0A000000 | (random() & 0x3FF);
    uint8_t length = static_cast<uint8_t>(20 + random() % 13);
    uint32_t network = htonl(address);
    auto* bytes = reinterpret_cast<const uint8_t*>(&network);
    switch (random() % 3) {
      case 0:
        if (model.size() < 1000) {
          routes.add(make_prefix(4, bytes, length), round);
          model[{mask(address, length), length}] = round;
        }
        break;
      case 1:
        routes.remove(make_prefix(4, bytes, length));
        model.erase({mask(address, length), length});
        break;
      default: {
        uint32_t expected = Routes::kNone;
        for (int try_length = 32; try_length >= 0 && expected == Routes::kNone; --try_length)
          if (auto it = model.find({mask(address, static_cast<uint8_t>(try_length)), static_cast<uint8_t>(try_length)});
              it != model.end())
            expected = it->second;
        ASSERT_EQ(routes.find(4, bytes), expected);
      }
    }
    ASSERT_EQ(routes.size(), model.size());
  }
}

TEST(FlatMap, AgreesWithTheStandardMapWhileFull) {
  FlatMap<uint64_t> map(512);
  std::unordered_map<uint64_t, uint32_t> model;
  std::mt19937_64 random(5);
  for (int round = 0; round < 200000; ++round) {
    uint64_t key = random() % 700;
    if (random() % 2 == 0) {
      bool fits = model.contains(key) || model.size() < 512;
      ASSERT_EQ(map.set(key, static_cast<uint32_t>(round)), fits);
      if (fits) model[key] = static_cast<uint32_t>(round);
    } else {
      map.erase(key);
      model.erase(key);
    }
    ASSERT_EQ(map.size(), model.size());
    uint64_t asked = random() % 700;
    auto it = model.find(asked);
    ASSERT_EQ(map.find(asked), it == model.end() ? FlatMap<uint64_t>::kNone : it->second);
  }
}

}  // namespace
}  // namespace culvert::session
