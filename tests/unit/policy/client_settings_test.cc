#include "control/policy/client_settings.h"

#include <gtest/gtest.h>

#include <map>

#include "dataplane/abi/endpoint_text.h"

namespace culvert::policy {
namespace {

class Files final : public config::FileLoader {
 public:
  Result<config::LoadedFile> load(const std::string& path, size_t) override {
    if (path == closed) return Error{std::string(config::kNotReadable)};
    auto found = files.find(path);
    if (found == files.end()) return Error{"no such file"};
    return config::LoadedFile{found->second};
  }
  std::map<std::string, std::string> files;
  std::string closed;
};

struct ClientSettingsTest : ::testing::Test {
  void SetUp() override {
    server.file = "etc/server.conf";
    server.push = {"route 10.0.0.0 255.0.0.0", "route-gateway 10.8.0.1", "dhcp-option DNS 10.0.0.1"};
    server.access.client_config_dir = "etc/ccd";
    server.pool4 = {.network = {10, 8, 0, 0}, .prefix = 24, .gateway = {10, 8, 0, 1}, .first = {}, .last = {}};
  }
  ClientSettings lines(const std::string& text) {
    ClientSettings settings = settings_for_all(server);
    apply_lines(settings, text, "alice", server, files);
    return settings;
  }
  /// What is wrong with one line.
  std::string wrong(const std::string& line) {
    ClientSettings settings = lines(line);
    return settings.findings.empty() ? "" : to_text(settings.findings[0]);
  }

  config::ServerConfig server;
  Files files;
};

TEST_F(ClientSettingsTest, IfconfigPushFollowsTheTopology) {
  using Address = std::array<uint8_t, 4>;
  EXPECT_EQ(lines("ifconfig-push 10.8.0.9 255.255.255.0 192.168.9.9").ip4->alias, (Address{192, 168, 9, 9}));
  server.topology = openvpn::Topology::kNet30;
  ClientSettings settings = lines("ifconfig-push 10.8.0.9 10.8.0.10");
  EXPECT_EQ(settings.ip4->address, (Address{10, 8, 0, 9}));
  EXPECT_EQ(settings.ip4->peer, (Address{10, 8, 0, 10}));
  EXPECT_EQ(wrong("ifconfig-push 10.8.0.9"),
            "alice:1: ifconfig-push: takes an IPv4 address and that of the other end (topology net30), and perhaps the "
            "address that the client is told instead");
  server.access.ifconfig_push_constraint = {{10, 8, 0, 0}, 24};
  EXPECT_EQ(wrong("ifconfig-push 10.8.0.13 10.8.0.14"), "");
  EXPECT_EQ(wrong("ifconfig-push 10.8.1.13 10.8.1.14"),
            "alice:1: ifconfig-push: lies outside ifconfig-push-constraint");
}

TEST_F(ClientSettingsTest, AMarkOfItsEncodingIsNoPartOfTheFirstLine) {
  ClientSettings settings = lines("\xEF\xBB\xBFpush \"route 10.5.0.0 255.255.0.0\"\n");
  EXPECT_TRUE(settings.findings.empty()) << to_text(settings.findings[0]);
  EXPECT_EQ(settings.push.back(), "route 10.5.0.0 255.255.0.0");
}

TEST_F(ClientSettingsTest, Ip6AddressesWithoutALengthAreOfA64) {
  ClientSettings settings = lines("ifconfig-ipv6-push fd00:8::77 fd00:8::1\niroute-ipv6 fd00:99::5\n");
  EXPECT_TRUE(settings.findings.empty()) << to_text(settings.findings[0]);
  ASSERT_TRUE(settings.ip6);
  EXPECT_EQ(settings.ip6->prefix, 64);
  EXPECT_EQ(settings.ip6->address[15], 0x77);
  ASSERT_EQ(settings.routes.size(), 1u);
  EXPECT_EQ(settings.routes[0].length, 64);
  EXPECT_EQ(settings.routes[0].address.bytes[15], 0);
  EXPECT_NE(wrong("ifconfig-ipv6-push fd00:8::77/129"), "");
  EXPECT_NE(wrong("ifconfig-ipv6-push fd00:8::77/"), "");
  EXPECT_NE(wrong("iroute-ipv6 fd00:99::x"), "");
}

/// It may hold `disable`: the client gets in all the same, as with the reference, but not in silence.
TEST_F(ClientSettingsTest, AFileThatCanNotBeReadIsNamed) {
  files.files["etc/ccd/DEFAULT"] = "push \"route 10.7.0.0 255.255.0.0\"\n";
  files.closed = "etc/ccd/alice";
  ClientSettings settings = settings_for_all(server);
  apply_client_config_dir(settings, "alice", server, files);
  ASSERT_EQ(settings.findings.size(), 1u);
  EXPECT_EQ(to_text(settings.findings[0]), "etc/ccd/alice: " + std::string(config::kNotReadable));
  EXPECT_EQ(settings.push.back(), "route 10.7.0.0 255.255.0.0");
  EXPECT_FALSE(settings.found_own_file);
}

TEST_F(ClientSettingsTest, LimitsOfOneClient) {
  server.limits.session_timeout = std::chrono::seconds(100);
  EXPECT_EQ(lines("").limits.session_timeout.count(), 100);
  ClientSettings settings = lines("session-timeout 0\ninactive 600 1000\n");
  EXPECT_EQ(settings.limits.session_timeout.count(), 0);
  EXPECT_EQ(settings.limits.inactive.count(), 600);
  EXPECT_EQ(settings.limits.inactive_bytes, 1000u);
  EXPECT_EQ(wrong("inactive soon"), "alice:1: inactive: takes a number of seconds, and perhaps one of bytes");
}

TEST_F(ClientSettingsTest, WhatOneClientMayCarry) {
  server.limits.rate = {20'000'000, 50'000'000};
  EXPECT_EQ(lines("").limits.rate, server.limits.rate);
  EXPECT_EQ(lines("limit-in 1.5M\n").limits.rate, (abi::SessionLimit{1'500'000, 50'000'000}));
  EXPECT_EQ(lines("limit-in none\nlimit-out 8K\nlimit-out 9K\n").limits.rate, (abi::SessionLimit{0, 9000}));
  EXPECT_EQ(wrong("limit-in"), "alice:1: limit-in: takes bits per second, such as 20M, or none");
  EXPECT_EQ(wrong("limit-out 20M 30M"), "alice:1: limit-out: takes bits per second, such as 20M, or none");
  EXPECT_EQ(wrong("limit-out 20Q"),
            "alice:1: limit-out: \"20Q\" is no limit: give bits per second, such as 800K, 20M or 1.5G (1 to 400G), or "
            "none");
  EXPECT_EQ(lines("limit-in 0\n").limits.rate, server.limits.rate) << "a wrong line changes nothing";
}

TEST_F(ClientSettingsTest, TakesAllKindsOfLines) {
  ClientSettings settings = lines(
      "# comment\n\nifconfig-push 10.8.0.7 255.255.255.0\nifconfig-ipv6-push fd00:8::7/64 fd00:8::1\r\n"
      "iroute 192.168.5.9 255.255.255.0\niroute 192.168.6.1\n--iroute-ipv6 fd00:5::1/48\npush \"route 1.2.3.4\"\n");
  EXPECT_TRUE(settings.findings.empty()) << to_text(settings.findings[0]);
  EXPECT_EQ(settings.ip4->address, (std::array<uint8_t, 4>{10, 8, 0, 7}));
  EXPECT_EQ(settings.ip4->prefix, 24);
  EXPECT_EQ(settings.ip6->prefix, 64);
  EXPECT_TRUE(settings.ip6->gateway);
  ASSERT_EQ(settings.routes.size(), 3u);
  EXPECT_EQ(abi::to_text(settings.routes[0].address), "192.168.5.0") << "without its host bits";
  EXPECT_EQ(settings.routes[0].length, 24);
  EXPECT_EQ(settings.routes[1].length, 32);
  EXPECT_EQ(abi::to_text(settings.routes[2].address), "fd00:5::");
  EXPECT_EQ(settings.push.back(), "route 1.2.3.4");
  EXPECT_FALSE(settings.disabled);
}

TEST_F(ClientSettingsTest, PushRemoveGoesByTheBeginningAndResetTakesAll) {
  EXPECT_EQ(lines("push-remove \"route \"").push,
            (std::vector<std::string>{"route-gateway 10.8.0.1", "dhcp-option DNS 10.0.0.1"}));
  EXPECT_EQ(lines("push-remove route").push, std::vector<std::string>{"dhcp-option DNS 10.0.0.1"});
  EXPECT_EQ(lines("push-reset\npush \"x\"").push, std::vector<std::string>{"x"});
  EXPECT_TRUE(lines("push-remove ifconfig-ipv6").no_ip6);
}

TEST_F(ClientSettingsTest, WrongLinesAreNamedAndTheOthersCount) {
  ClientSettings settings = lines("nonsense\npush \"x\"\n");
  EXPECT_EQ(settings.push.back(), "x");
  ASSERT_EQ(settings.findings.size(), 1u);
  EXPECT_TRUE(to_text(settings.findings[0]).starts_with("alice:1: nonsense: can't stand here"));
  EXPECT_NE(wrong("ifconfig-push 10.8.0.7"), "");
  EXPECT_NE(wrong("ifconfig-push 10.8.0.7 10.8.0.6"), "") << "a peer's address is no netmask";
  EXPECT_NE(wrong("ifconfig-push 10.8.0.1 255.255.255.0").find("gateway's own"), std::string::npos);
  EXPECT_NE(wrong("iroute 0.0.0.0 0.0.0.0"), "");
  EXPECT_NE(wrong("iroute fd00::/64"), "");
  EXPECT_NE(wrong("push \"a,b\""), "");
  EXPECT_NE(wrong("push \"a"), "");
  EXPECT_NE(wrong("disable now"), "");
  EXPECT_NE(wrong("config missing"), "");
}

TEST_F(ClientSettingsTest, NobodyGetsTheGatewaysOwnIpv6Address) {
  server.pool6 = config::Pool6{.network = {0xfd}, .prefix = 64, .gateway = {0xfd, 1}, .first = {}};
  EXPECT_EQ(wrong("ifconfig-ipv6-push fd01::/64"), "alice:1: ifconfig-ipv6-push: is the gateway's own address");
  EXPECT_EQ(wrong("ifconfig-ipv6-push fd02::/64"), "");
}

TEST_F(ClientSettingsTest, AnIpv6AddressBehindPushRemoveCounts) {
  EXPECT_FALSE(lines("push-remove ifconfig-ipv6\nifconfig-ipv6-push fd02::/64\n").no_ip6);
}

TEST_F(ClientSettingsTest, WhatAScriptWritesWithoutEndIsBounded) {
  std::string nonsense;
  for (int i = 0; i < 100; ++i) nonsense += "nonsense\n";
  EXPECT_EQ(lines(nonsense).findings.size(), 20u);
  const std::string most(4096, '\n');
  ClientSettings settings = lines(most + "push \"x\"\n");
  EXPECT_NE(settings.push.back(), "x");
  ASSERT_EQ(settings.findings.size(), 1u);
  EXPECT_EQ(settings.findings[0].text, "more than 4096 lines: the rest is left out");
  EXPECT_EQ(lines(most.substr(1) + "push \"x\"\n").push.back(), "x");
}

TEST_F(ClientSettingsTest, RoutesAreLimited) {
  server.access.max_routes_per_client = 1;
  ClientSettings settings = lines("iroute 10.1.0.0 255.255.0.0\niroute 10.2.0.0 255.255.0.0\n");
  EXPECT_EQ(settings.routes.size(), 1u);
  EXPECT_NE(settings.findings.at(0).text.find("max-routes-per-client"), std::string::npos);
}

TEST_F(ClientSettingsTest, IncludesAreFollowedButNotForEver) {
  files.files["etc/common"] = "push \"x\"\nconfig common\n";
  ClientSettings settings = lines("config common\n");
  EXPECT_EQ(std::ranges::count(settings.push, "x"), 4);
  EXPECT_NE(settings.findings.at(0).text.find("deep"), std::string::npos);
}

TEST_F(ClientSettingsTest, OwnFileElseDefaultElseNothing) {
  auto pushed = [&](const std::string& name) {
    ClientSettings settings = settings_for_all(server);
    apply_client_config_dir(settings, name, server, files);
    return std::pair(settings.push.back(), settings.found_own_file);
  };
  EXPECT_EQ(pushed("alice"), std::pair(std::string("dhcp-option DNS 10.0.0.1"), false));
  files.files["etc/ccd/DEFAULT"] = "push \"default\"\n";
  files.files["etc/ccd/alice"] = "push \"alice\"\n";
  files.files["etc/ccd/a_b"] = "push \"slash\"\n";
  files.files["etc/ccd/.."] = "push \"up\"\n";
  EXPECT_EQ(pushed("alice"), std::pair(std::string("alice"), true));
  EXPECT_EQ(pushed("bob"), std::pair(std::string("default"), false));
  EXPECT_EQ(pushed("a/b"), std::pair(std::string("slash"), true)) << "no way out of the folder";
  EXPECT_EQ(pushed(".."), std::pair(std::string("default"), false));
  EXPECT_EQ(pushed(""), std::pair(std::string("default"), false));
}

}  // namespace
}  // namespace culvert::policy
