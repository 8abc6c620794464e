// What an operator is told to look at: forwarding that pushed routes need, certificates that keep clients out.
#include "control/gateway/concerns.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "control/crypto/certificate.h"
#include "tests/unit/gateway/gateway_rig.h"

namespace culvert::gateway {
namespace {

constexpr Forwarding kNone{.ip4 = false, .ip6 = false};

config::ServerConfig pushing(std::vector<std::string> push) {
  config::ServerConfig server;
  server.file = "server.conf";
  server.pool4 = config::Pool4{.network = {10, 8, 0, 0}, .prefix = 24};
  config::Pool6 pool6;
  pool6.network = {0xfd, 0};
  pool6.prefix = 112;
  server.pool6 = pool6;
  server.push = std::move(push);
  return server;
}

std::vector<std::string> told(const config::ServerConfig& server, Forwarding forwarding = kNone) {
  return concerns({&server}, forwarding, std::chrono::sys_seconds{});
}

TEST(Concerns, RoutesToOtherNetworksNeedForwarding) {
  for (const char* push : {"redirect-gateway def1", "redirect-gateway", "route 192.168.10.0 255.255.255.0",
                           "route 192.168.10.0", "route intern.example.org"}) {
    std::vector<std::string> texts = told(pushing({"dhcp-option DNS 10.8.0.1", push}));
    ASSERT_EQ(texts.size(), 1U) << push;
    EXPECT_EQ(texts[0], std::string("server.conf: clients are sent to networks behind this machine (push \"") + push +
                            "\"), but it does not forward IPv4: sysctl -w net.ipv4.ip_forward=1; a network that has no "
                            "route back to the clients needs masquerading as well (nftables)");
    EXPECT_TRUE(told(pushing({push}), {.ip4 = true, .ip6 = false}).empty()) << push;
  }
  for (const char* push : {"redirect-gateway ipv6 !ipv4", "route-ipv6 2001:db8:1::/48"}) {
    std::vector<std::string> texts = told(pushing({push}));
    ASSERT_EQ(texts.size(), 1U) << push;
    EXPECT_NE(texts[0].find("does not forward IPv6: sysctl -w net.ipv6.conf.all.forwarding=1"), std::string::npos);
    EXPECT_TRUE(told(pushing({push}), {.ip4 = false, .ip6 = true}).empty()) << push;
  }
  EXPECT_EQ(told(pushing({"redirect-gateway def1 ipv6", "route 192.168.10.0 255.255.255.0"})).size(), 2U)
      << "each family once";
}

TEST(Concerns, WhatStaysInTheTunnelOrGoesPastItNeedsNoForwarding) {
  for (const char* push :
       {"dhcp-option DNS 9.9.9.9", "route 10.8.0.0 255.255.255.0", "route 10.8.0.1", "route-gateway 10.8.0.1",
        "route 192.0.2.0 255.255.255.0 net_gateway", "route remote_host 255.255.255.255 net_gateway",
        "route-ipv6 2001:db8::/32 net_gateway", "route-ipv6 fd00::1/128", "redirect-private def1", "route", ""})
    EXPECT_TRUE(told(pushing({push})).empty()) << push;
  config::ServerConfig no_ip4 = pushing({"redirect-gateway def1"});
  no_ip4.pool4.reset();
  EXPECT_TRUE(told(no_ip4).empty()) << "clients without an IPv4 address send none";
}

TEST(Concerns, NetworksBehindClientsNeedItUnlessClientsReachEachOther) {
  config::ServerConfig server = pushing({"route 192.168.20.0 255.255.255.0", "route-ipv6 fd20::/64"});
  server.routes = {{.network = abi::ipv4({192, 168, 20, 0}), .prefix = 24},
                   {.network = abi::ipv6({0xfd, 0x20}), .prefix = 64}};
  EXPECT_EQ(told(server).size(), 2U);
  server.settings.client_to_client = true;
  EXPECT_TRUE(told(server).empty());
  server.push.push_back("route 192.168.21.0 255.255.255.0");
  EXPECT_EQ(told(server).size(), 1U);
}

std::string contents(const std::string& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Concerns, StatusAndReloadTellOfARunningGatewaysCertificates) {
  GatewayRig rig;
  rig.start();
  EXPECT_EQ(rig.ask({{"command", "status"}})["warnings"], nlohmann::json::array());
  auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  crypto::Identity ca;
  ca.certificate_pem = contents(rig.etc() + "/ca.crt");
  ca.key_pem = contents(rig.etc() + "/ca.key");
  auto crl = crypto::make_crl(ca, {}, 9, {now - std::chrono::days{9}, now - std::chrono::days{2}});
  ASSERT_TRUE(crl) << crl.error();
  std::ofstream(rig.etc() + "/crl.pem", std::ios::trunc) << *crl;
  rig.ask({{"command", "reload"}});
  nlohmann::json warnings = rig.ask({{"command", "status"}})["warnings"];
  ASSERT_EQ(warnings.size(), 1U) << warnings;
  EXPECT_NE(warnings[0].get<std::string>().find("every client is refused until a new one is in place"),
            std::string::npos)
      << warnings;
}

}  // namespace
}  // namespace culvert::gateway
