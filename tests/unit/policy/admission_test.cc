#include "control/policy/admission.h"

#include <gtest/gtest.h>

#include "dataplane/abi/endpoint_text.h"

namespace culvert::policy {
namespace {

struct AdmissionTest : ::testing::Test {
  config::ServerConfig config = [] {
    config::ServerConfig made;
    made.file = "server.conf";
    made.pool4 = {.network = {10, 8, 0, 0},
                  .prefix = 29,
                  .gateway = {10, 8, 0, 1},
                  .first = {10, 8, 0, 2},
                  .last = {10, 8, 0, 4}};
    config::Pool6 pool6;
    pool6.prefix = 112;
    pool6.network = pool6.gateway = pool6.first = {0xfd};
    pool6.gateway[15] = 1;
    pool6.first[15] = 2;
    made.pool6 = pool6;
    made.push = {"route 192.168.0.0 255.255.0.0", "topology subnet"};
    return made;
  }();
  pool::AddressPool addresses{ranges_of(config)};
  MonoTime now{std::chrono::seconds(1000)};

  Decision ask(const std::string& name, bool revoked = false) { return ask(name, settings_for_all(config), revoked); }
  Decision ask(const std::string& name, const ClientSettings& own, bool revoked = false) {
    openvpn::ConnectRequest request;
    request.identity.common_name = name;
    request.identity.serial = "4711";
    return decide(config, request, revoked, own, addresses, now);
  }
  std::string refusal(const Decision& decision) {
    const auto* refused = std::get_if<Refused>(&decision);
    return refused ? refused->for_operator : "admitted";
  }
};

TEST_F(AdmissionTest, GrantsAddressesAndThePushListAsItIs) {
  Decision decision = ask("alice");
  ASSERT_TRUE(std::holds_alternative<Admitted>(decision)) << refusal(decision);
  const auto& grant = std::get<Admitted>(decision).grant;
  EXPECT_EQ(abi::to_text(abi::ipv4(grant.ip4)), "10.8.0.2");
  EXPECT_EQ(grant.ip4_prefix, 29);
  EXPECT_EQ(abi::to_text(abi::ipv4(grant.ip4_gateway)), "10.8.0.1");
  EXPECT_EQ(abi::to_text(abi::ipv6(grant.ip6)), "fd00::2");
  EXPECT_EQ(grant.ip6_prefix, 112);
  EXPECT_EQ(abi::to_text(abi::ipv6(grant.ip6_gateway)), "fd00::1");
  EXPECT_EQ(grant.push, config.push);
  EXPECT_EQ(grant.limit, abi::SessionLimit{});
}

/// What lies behind the client is not sent through the tunnel from there.
TEST_F(AdmissionTest, PushesNoRouteToANetworkBehindTheClientItself) {
  ClientSettings own;
  own.push = {"route 10.1.0.0 255.255.0.0",
              "route 10.1.0.0 255.255.0.0 default 5",
              "route 10.1.0.0 255.255.255.0",
              "route 10.2.0.7",
              "route 10.2.0.7 255.255.255.255 10.9.9.9",
              "route 10.3.0.0 255.255.0.0",
              "route-ipv6 fd44::/64",
              "route-ipv6 fd44::/48",
              "route nonsense 255.255.0.0",
              "dhcp-option DNS 10.1.0.0",
              "route \"10.1.0.0"};
  own.routes = {{.address = abi::ipv4({10, 1, 0, 0}), .length = 16},
                {.address = abi::ipv4({10, 2, 0, 7}), .length = 32},
                {.address = *abi::parse_ip("fd44::"), .length = 64}};
  openvpn::ClientGrant grant;
  apply(config, own, grant);
  EXPECT_EQ(grant.push,
            (std::vector<std::string>{"route 10.1.0.0 255.255.0.0 default 5", "route 10.1.0.0 255.255.255.0",
                                      "route 10.2.0.7 255.255.255.255 10.9.9.9", "route 10.3.0.0 255.255.0.0",
                                      "route-ipv6 fd44::/48", "route nonsense 255.255.0.0", "dhcp-option DNS 10.1.0.0",
                                      "route \"10.1.0.0"}));
  EXPECT_EQ(grant.routes.size(), 3u);
}

TEST_F(AdmissionTest, GrantsTheAddressesThatAreSetForTheClient) {
  ClientSettings own;
  own.ip4 = {.address = {10, 8, 0, 9}, .prefix = 24, .peer = {10, 8, 0, 10}};
  own.ip6 = {.address = {0xfd, 0, 9}, .prefix = 64, .gateway = std::array<uint8_t, 16>{0xfd, 0, 7}};
  for (openvpn::Topology topology : {openvpn::Topology::kSubnet, openvpn::Topology::kNet30}) {
    config.topology = topology;
    Decision decision = ask("alice", own);
    ASSERT_TRUE(std::holds_alternative<Admitted>(decision)) << refusal(decision);
    const auto& grant = std::get<Admitted>(decision).grant;
    EXPECT_FALSE(std::get<Admitted>(decision).lease) << "none of them is of the pool";
    EXPECT_EQ(grant.ip4, own.ip4->address);
    EXPECT_EQ(grant.ip4_peer, topology == openvpn::Topology::kNet30 ? own.ip4->peer : config.pool4->gateway);
    EXPECT_EQ(grant.ip6, own.ip6->address);
    EXPECT_EQ(grant.ip6_gateway, *own.ip6->gateway);
  }
}

TEST_F(AdmissionTest, AnAddressThatAnotherSessionHasIsNotGivenTwice) {
  ASSERT_TRUE(std::holds_alternative<Admitted>(ask("alice")));
  ClientSettings own;
  own.ip4 = {.address = {10, 8, 0, 2}};
  Decision decision = ask("bob", own);
  EXPECT_NE(refusal(decision).find("10.8.0.2, which is set for this client, belongs to another"), std::string::npos);
  EXPECT_EQ(std::get<Refused>(decision).for_client, kAddressTaken);
  EXPECT_EQ(addresses.taken(), 1u);
}

TEST_F(AdmissionTest, PushRemoveLeavesAClientWithoutIpv6) {
  ClientSettings own;
  own.no_ip6 = true;
  Decision decision = ask("alice", own);
  ASSERT_TRUE(std::holds_alternative<Admitted>(decision)) << refusal(decision);
  EXPECT_EQ(abi::to_text(abi::ipv4(std::get<Admitted>(decision).grant.ip4)), "10.8.0.2");
  EXPECT_EQ(abi::to_text(abi::ipv6(std::get<Admitted>(decision).grant.ip6)), "-");
}

TEST_F(AdmissionTest, CcdExclusiveLetsInWhoHasAFileOfItsName) {
  config.access.ccd_exclusive = true;
  config.access.client_config_dir = "ccd";
  EXPECT_EQ(refusal(ask("mallory")), "no file of its name in ccd (ccd-exclusive)");
  ClientSettings own;
  own.found_own_file = true;
  EXPECT_EQ(refusal(ask("alice", own)), "admitted");
}

TEST_F(AdmissionTest, GrantsTheLimitsOfTheConfiguration) {
  config.limits.rate = {20'000'000, 8000};
  Decision decision = ask("alice");
  ASSERT_TRUE(std::holds_alternative<Admitted>(decision)) << refusal(decision);
  EXPECT_EQ(std::get<Admitted>(decision).grant.limit, config.limits.rate);
}

TEST_F(AdmissionTest, RefusesWhoHasNoNameOrIsRevokedWithoutTakingAnAddress) {
  EXPECT_NE(refusal(ask("")).find("no common name"), std::string::npos);
  EXPECT_NE(refusal(ask("mallory", true)).find("4711 is revoked"), std::string::npos);
  EXPECT_EQ(std::get<Refused>(ask("mallory", true)).for_client, "") << "the client learns nothing";
  EXPECT_EQ(addresses.taken(), 0u);
}

TEST_F(AdmissionTest, SaysWhetherClientsOrAddressesAreTooMany) {
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(std::holds_alternative<Admitted>(ask(name)));
  EXPECT_NE(refusal(ask("d")).find("no address is left of 3"), std::string::npos);
  config.settings.max_clients = 3;
  EXPECT_NE(refusal(ask("d")).find("max-clients 3 reached"), std::string::npos);
  EXPECT_NE(refusal(ask("d")).find("server.conf"), std::string::npos) << "where to change it";
}

TEST_F(AdmissionTest, AnIpv6PoolAloneEndsWithItsNetwork) {
  config.pool4.reset();
  config.pool6->prefix = 126;
  pool::AddressPool small(ranges_of(config));
  EXPECT_EQ(small.capacity(), 2u) << "::2 and ::3; ::1 is the gateway";
  config.pool6->prefix = 64;
  EXPECT_EQ(pool::AddressPool(ranges_of(config)).capacity(), size_t{1} << 20);
  // Wherever in its network it starts, and whatever network that is.
  config.pool6->first[14] = config.pool6->first[15] = 0xff;
  config.pool6->prefix = 112;
  EXPECT_EQ(pool::AddressPool(ranges_of(config)).capacity(), 1u);
  config.pool6->first[13] = 1;
  EXPECT_EQ(pool::AddressPool(ranges_of(config)).capacity(), 1u);
  config.pool6->first[12] = config.pool6->first[13] = 0xff;
  config.pool6->prefix = 96;
  EXPECT_EQ(pool::AddressPool(ranges_of(config)).capacity(), 1u);
}

}  // namespace
}  // namespace culvert::policy
