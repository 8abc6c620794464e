#include "control/hooks/client_environment.h"

#include <gtest/gtest.h>

namespace culvert::hooks {
namespace {

using Variables = std::map<std::string, std::string>;

std::string value(const Environment& environment, const std::string& name) {
  auto found = environment.variables().find(name);
  return found == environment.variables().end() ? "(unset)" : found->second;
}

TEST(ClientEnvironment, CertificatesOfTheWholeChain) {
  openvpn::ClientIdentity identity;
  identity.common_name = "alice";
  identity.subject = {"OU=staff", "OU=admins", "CN=alice"};
  identity.serial = "4660";
  identity.certificate_hash = {0xAB, 0x01};
  identity.certificate_sha1 = {0x0C};
  identity.issuers = {{{"CN=the CA"}, "255", {0x02}, {0x03}}};
  Environment environment;
  add_identity(environment, identity);
  EXPECT_EQ(environment.variables(), (Variables{{"X509_0_CN", "alice"},
                                                {"X509_0_OU", "staff"},
                                                {"X509_0_OU_1", "admins"},
                                                {"X509_1_CN", "the CA"},
                                                {"common_name", "alice"},
                                                {"tls_digest_0", "0c"},
                                                {"tls_digest_1", "03"},
                                                {"tls_digest_sha256_0", "ab:01"},
                                                {"tls_digest_sha256_1", "02"},
                                                {"tls_id_0", "OU=staff, OU=admins, CN=alice"},
                                                {"tls_id_1", "CN=the CA"},
                                                {"tls_serial_0", "4660"},
                                                {"tls_serial_1", "255"},
                                                {"tls_serial_hex_0", "12:34"},
                                                {"tls_serial_hex_1", "ff"}}));
}

TEST(ClientEnvironment, PeerInfoSetsOnlyItsOwnNames) {
  openvpn::ClientIdentity identity;
  identity.peer_info = "IV_VER=2.6.14\nUV_X=a b\nLD_PRELOAD=/tmp/x.so\nPATH=/tmp\ncommon_name=root\n";
  identity.username = "al ice;";
  identity.password = "secret";
  Environment environment;
  add_identity(environment, identity);
  EXPECT_EQ(environment.variables(), (Variables{{"IV_VER", "2.6.14"}, {"UV_X", "a b"}, {"username", "al ice;"}}));
}

TEST(ClientEnvironment, RemoteAndInnerAddresses) {
  Environment environment;
  abi::Endpoint remote;
  remote.address = {.bytes = {192, 0, 2, 7}, .family = abi::Family::kIpv4};
  remote.port = 5000;
  add_remote(environment, remote, false);
  add_remote(environment, remote, true);
  EXPECT_EQ(value(environment, "untrusted_ip"), "192.0.2.7");
  EXPECT_EQ(value(environment, "trusted_port"), "5000");
  remote.address.family = abi::Family::kIpv6;
  add_remote(environment, remote, true);
  EXPECT_NE(value(environment, "trusted_ip6"), "(unset)");

  openvpn::ClientGrant grant;
  grant.ip4 = {10, 8, 0, 2};
  grant.ip4_prefix = 23;
  add_addresses(environment, grant);
  EXPECT_EQ(value(environment, "ifconfig_pool_remote_ip"), "10.8.0.2");
  EXPECT_EQ(value(environment, "ifconfig_pool_netmask"), "255.255.254.0");
  EXPECT_EQ(value(environment, "ifconfig_pool_remote_ip6"), "(unset)");
  add_addresses(environment, {});
  EXPECT_EQ(value(environment, "ifconfig_pool_remote_ip"), "(unset)");
}

TEST(ServerEnvironment, TheOperatorsVariablesGoFirst) {
  config::ServerConfig server;
  server.file = "/etc/server.conf";
  server.pool4 = {.network = {10, 8, 0, 0}, .prefix = 24, .gateway = {10, 8, 0, 1}, .first = {}, .last = {}};
  server.hooks.variables = {{"PROFILE_ID", "office"}, {"dev_type", "mine"}};
  server.hooks.folder = "/etc";
  Environment environment = server_environment(server, "tun7", {});
  EXPECT_EQ(environment.folder(), "/etc");
  EXPECT_EQ(value(environment, "PROFILE_ID"), "office");
  EXPECT_EQ(value(environment, "dev_type"), "mine");
  EXPECT_EQ(value(environment, "dev"), "tun7");
  EXPECT_EQ(value(environment, "config"), "/etc/server.conf");
  EXPECT_EQ(value(environment, "ifconfig_local"), "10.8.0.1");
  EXPECT_EQ(value(environment, "ifconfig_netmask"), "255.255.255.0");
}

}  // namespace
}  // namespace culvert::hooks
