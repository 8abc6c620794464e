// topology subnet, p2p and net30, and the routes into the tunnel.
#include <gtest/gtest.h>

#include "control/config/arguments.h"
#include "dataplane/abi/endpoint_text.h"
#include "tests/unit/config/support.h"

namespace culvert::config::test {
namespace {

using Push = std::vector<std::string>;

const std::string kFrame =
    "remote-cert-tls client\nca ca.crt\ncert server.crt\nkey server.key\ntls-crypt tc.key\n"
    "ping-restart 60\n";

ServerConfig good_topology(const std::string& text) {
  Parsed parsed = parse(kFrame + text);
  EXPECT_EQ(parsed.errors, "") << text;
  EXPECT_EQ(parsed.warnings, "") << text;
  return parsed.config;
}

std::string topology_error(const std::string& text) {
  return parse(kFrame + text).errors;
}

std::string pool(const ServerConfig& config) {
  return to_text(config.pool4->gateway) + " peer " + to_text(config.pool4->peer) + ", " + to_text(config.pool4->first) +
         " to " + to_text(config.pool4->last);
}

/// "10.8.0.0/24 via 10.8.0.2 metric 5", one per line.
std::string routes(const ServerConfig& config) {
  std::string text;
  for (const abi::TunRoute& route : config.routes) {
    text += abi::to_text(route.network) + "/" + std::to_string(route.prefix);
    if (route.gateway.family != abi::Family::kNone) text += " via " + abi::to_text(route.gateway);
    if (route.metric != 0) text += " metric " + std::to_string(route.metric);
    text += "\n";
  }
  return text;
}

TEST(TopologyConf, ServerMeansWhatTheReferenceMakesOfIt) {
  ServerConfig net30 = good_topology("topology net30\nserver 10.8.0.0 255.255.255.0\n");
  EXPECT_EQ(pool(net30), "10.8.0.1 peer 10.8.0.2, 10.8.0.4 to 10.8.0.251");
  EXPECT_EQ(net30.push, (Push{"route 10.8.0.1", "topology net30"}));
  EXPECT_EQ(routes(net30), "10.8.0.0/24\n");
  EXPECT_EQ(pool(good_topology("topology net30\nserver 10.8.0.0 255.255.255.248\n")),
            "10.8.0.1 peer 10.8.0.2, 10.8.0.4 to 10.8.0.7");

  ServerConfig p2p = good_topology("server 10.8.0.0 255.255.255.0\ntopology p2p\n");
  EXPECT_EQ(pool(p2p), "10.8.0.1 peer 10.8.0.2, 10.8.0.4 to 10.8.0.251");
  EXPECT_EQ(p2p.push, (Push{"topology p2p"}));
  for (const char* topology : {"p2p", "net30"}) {
    std::string text = std::string("client-to-client\nserver 10.8.0.0 255.255.255.0\ntopology ") + topology + "\n";
    EXPECT_EQ(good_topology(text).push, (Push{"route 10.8.0.0 255.255.255.0", std::string("topology ") + topology}));
  }
  EXPECT_EQ(routes(good_topology("topology subnet\nserver 10.8.0.0 255.255.255.0\n")), "");
}

TEST(TopologyConf, PoolsWithoutTheHelper) {
  ServerConfig config = good_topology(
      "topology net30\nmode server\ntls-server\nifconfig 10.8.0.1 10.8.0.2\n"
      "ifconfig-pool 10.9.0.4 10.9.0.255\nroute 10.9.0.0 255.255.255.0\n");
  EXPECT_EQ(pool(config), "10.8.0.1 peer 10.8.0.2, 10.9.0.4 to 10.9.0.255");
  EXPECT_EQ(routes(config), "10.9.0.0/24\n");
  EXPECT_EQ(config.push, Push{});
  EXPECT_NE(topology_error("topology net30\nifconfig 10.8.0.1 255.255.255.0\nifconfig-pool 10.8.0.4 10.8.0.99\n")
                .find("ifconfig: with topology net30 the second argument is the tunnel's other end, such as 10.8.0.2, "
                      "not '255.255.255.0'"),
            std::string::npos);
  EXPECT_NE(
      topology_error("ifconfig 10.8.0.1 10.8.0.2\nifconfig-pool 10.8.0.4 10.8.0.251\n")
          .find("ifconfig: '10.8.0.2' is no netmask, which topology subnet wants: if it is the tunnel's other end, "
                "write topology net30 (which 2.6 uses where none is written) or topology p2p"),
      std::string::npos);
  EXPECT_NE(topology_error("topology net30\nifconfig 10.8.0.1 10.8.0.2\nifconfig-pool 10.8.0.2 10.8.0.99\n")
                .find("ifconfig-pool: holds the gateway's own address 10.8.0.1: leave it out"),
            std::string::npos)
      << "the four addresses from 10.8.0.0 on";
}

TEST(TopologyConf, RoutesOfTheKernel) {
  const std::string subnet = "topology subnet\nserver 10.8.0.0 255.255.255.0\nserver-ipv6 fd12::/64\n";
  EXPECT_EQ(
      routes(good_topology(subnet + "route 192.168.4.0 255.255.255.0\nroute 192.168.5.1\nroute-ipv6 fd44::/48\n")),
      "192.168.4.0/24\n192.168.5.1/32\nfd44::/48\n");
  EXPECT_EQ(
      routes(good_topology(subnet + "route 192.168.4.0 255.255.255.0 10.8.0.7 12\nroute 192.168.5.0 255.255.255.0 "
                                    "vpn_gateway 13\nroute-ipv6 fd44::/48 fd12::7 14\n")),
      "192.168.4.0/24 via 10.8.0.7 metric 12\n192.168.5.0/24 metric 13\nfd44::/48 via fd12::7 metric 14\n");
  EXPECT_EQ(
      routes(good_topology(subnet + "route 192.168.4.0 default default 3\nroute-gateway 10.8.0.9\nroute-metric 7\n"
                                    "route 192.168.5.0 255.255.255.0\nroute-ipv6 fd44::/48\n")),
      "192.168.4.0/32 via 10.8.0.9 metric 3\n192.168.5.0/24 via 10.8.0.9 metric 7\nfd44::/48 metric 7\n");
  EXPECT_EQ(routes(good_topology("topology net30\nserver 10.8.0.0 255.255.255.0\nroute 192.168.4.0\nroute-noexec\n")),
            "10.8.0.0/24\n");
}

/// Many a server.conf asks for the route that `server` or the TUN's address gives in any case; the kernel would refuse
/// it.
TEST(TopologyConf, RoutesThatAreThereAnyway) {
  const std::string subnet = "topology subnet\nserver 10.8.0.0 255.255.255.0\nserver-ipv6 fd12::/64\n";
  const std::string warning = "has no effect: this network is reached through the tunnel in any case\n";
  auto reads = [](const std::string& text, const std::string& warnings, const std::string& left) {
    Parsed parsed = parse(kFrame + text);
    EXPECT_EQ(parsed.errors, "") << text;
    EXPECT_EQ(parsed.warnings, warnings) << text;
    EXPECT_EQ(routes(parsed.config), left) << text;
  };
  reads(subnet + "route 10.8.0.0 255.255.255.0\nroute-ipv6 fd12::/64\nroute 10.8.0.0 255.255.0.0\n",
        "etc/server.conf:10: warning: route: " + warning + "etc/server.conf:11: warning: route-ipv6: " + warning,
        "10.8.0.0/16\n");
  reads(
      "topology subnet\nifconfig 10.8.0.1 255.255.255.0\nifconfig-pool 10.8.0.9 10.8.0.99\nroute-gateway 10.8.0.1\n"
      "route 10.8.0.0 255.255.255.0\n",
      "etc/server.conf:11: warning: route: " + warning, "");
  reads("topology net30\nserver 10.8.0.0 255.255.255.0\nroute 10.8.0.0 255.255.255.0\nroute 10.9.0.1\nroute 10.9.0.1\n",
        "etc/server.conf:9: warning: route: " + warning + "etc/server.conf:11: warning: route: " + warning,
        "10.8.0.0/24\n10.9.0.1/32\n");
}

TEST(TopologyConf, TheServersOwnAddressIsNoGatewayToTheKernel) {
  const std::string subnet = "topology subnet\nserver 10.8.0.0 255.255.255.0\nserver-ipv6 fd12::/64\n";
  EXPECT_EQ(routes(good_topology(subnet +
                                 "route-gateway 10.8.0.1\nroute-ipv6-gateway fd12::1\nroute 192.168.4.0 255.255.255.0\n"
                                 "route-ipv6 fd44::/48\n")),
            "192.168.4.0/24\nfd44::/48\n");
}

TEST(TopologyConf, PersistentPool) {
  const std::string subnet = "topology subnet\nserver 10.8.0.0 255.255.255.0\n";
  EXPECT_EQ(good_topology(subnet + "ifconfig-pool-persist ipp.txt\n").persistent_pool->file, "etc/ipp.txt");
  EXPECT_EQ(good_topology(subnet + "ifconfig-pool-persist ipp.txt\n").persistent_pool->every,
            std::chrono::seconds(600));
  EXPECT_EQ(good_topology(subnet + "ifconfig-pool-persist /var/ipp.txt 0\n").persistent_pool->every,
            std::chrono::seconds(0));
  EXPECT_EQ(parse(kFrame + subnet + "duplicate-cn\nifconfig-pool-persist ipp.txt\n").warnings,
            "etc/server.conf:10: warning: ifconfig-pool-persist: has no effect together with duplicate-cn, which gives "
            "a name several addresses\n");
}

}  // namespace
}  // namespace culvert::config::test
