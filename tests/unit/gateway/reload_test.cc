// What a reload tells apart: what is in force at once, what waits for a restart.
#include "control/gateway/reload.h"

#include <gtest/gtest.h>

namespace culvert::gateway {
namespace {

using config::Said;
using config::ServerConfig;
using Names = std::vector<std::string>;

Said said(const char* name, const char* argument) {
  return {.file = "server.conf",
          .line = 1,
          .name = name,
          .arguments = argument,
          .digest = std::hash<std::string>{}(argument)};
}

ServerConfig base() {
  ServerConfig config;
  config.said = {said("port", "1194"), said("push", "a"), said("push", "b"), said("max-clients", "10")};
  config.pool4 = config::Pool4{.network = {10, 8, 0, 0},
                               .prefix = 24,
                               .gateway = {10, 8, 0, 1},
                               .first = {10, 8, 0, 2},
                               .last = {10, 8, 0, 254}};
  config.push = {"a", "b"};
  config.tls.ca_pem = "ca";
  return config;
}

ReloadReport difference(const ServerConfig& after) {
  ReloadReport report;
  compare(base(), after, report);
  return report;
}

TEST(Reload, NothingChanged) {
  ReloadReport report = difference(base());
  EXPECT_TRUE(report.applied.empty());
  EXPECT_TRUE(report.needs_restart.empty());
  EXPECT_EQ(report.summary(), "reloaded: nothing has changed");
}

TEST(Reload, ChangedAddedAndRemovedDirectives) {
  ServerConfig after = base();
  after.said = {said("port", "1195"), said("push", "a"), said("push", "c"), said("duplicate-cn", "")};
  ReloadReport report = difference(after);
  EXPECT_EQ(report.applied, (Names{"duplicate-cn", "max-clients", "push"}));
  EXPECT_EQ(report.needs_restart, Names{"port"});
}

TEST(Reload, TheOrderOfPushesCounts) {
  ServerConfig after = base();
  std::swap(after.said[1], after.said[2]);
  EXPECT_EQ(difference(after).applied, Names{"push"});
  after = base();
  std::swap(after.said[0], after.said[1]);
  EXPECT_TRUE(difference(after).applied.empty()) << "between directives it does not";
}

TEST(Reload, FilesWithNewContents) {
  ServerConfig after = base();
  after.tls.ca_pem = "other";
  after.tls.crl_pem = "list";
  EXPECT_EQ(difference(after).applied, (Names{"contents of ca", "contents of crl-verify"}));
}

TEST(Reload, LimitsOfClientsAreInForceAtOnce) {
  config::Appliance before, after;
  after.client_limit = {20'000'000, 0};
  ReloadReport report;
  compare(before, after, report);
  EXPECT_EQ(report.applied, Names{"[clients] limit_in"});
  before.client_limit = {0, 1};
  report = {};
  compare(before, after, report);
  EXPECT_EQ(report.applied, (Names{"[clients] limit_in", "[clients] limit_out"}));
  EXPECT_TRUE(report.needs_restart.empty());
}

TEST(Reload, WhatTheTunHasStays) {
  ServerConfig running = base();
  ServerConfig after = base();
  after.pool4->network = {10, 9, 0, 0};
  after.pool4->gateway = {10, 9, 0, 1};
  after.push = {"route-gateway 10.9.0.1"};
  after.settings.tun_mtu = 1400;
  after.settings.max_clients = 7;
  keep_fixed(running, after);
  EXPECT_EQ(after.pool4->gateway, running.pool4->gateway);
  EXPECT_EQ(after.push, running.push);
  EXPECT_EQ(after.settings.tun_mtu, running.settings.tun_mtu);
  EXPECT_EQ(after.settings.max_clients, 7u);
}

TEST(Reload, APoolWithinTheSameNetworkMayChange) {
  ServerConfig running = base();
  ServerConfig after = base();
  after.pool4->last = {10, 8, 0, 100};
  after.push = {"c"};
  EXPECT_FALSE(same_pool(running, after));
  keep_fixed(running, after);
  EXPECT_EQ(after.pool4->last, (std::array<uint8_t, 4>{10, 8, 0, 100}));
  EXPECT_EQ(after.push, Names{"c"});
}

TEST(Reload, CulvertToml) {
  config::Appliance before;
  config::Appliance after;
  after.sessions = 8192;
  after.log_level = openvpn::LogLevel::kDebug;
  ReloadReport report;
  compare(before, after, report);
  EXPECT_EQ(report.needs_restart, Names{"[dataplane] sessions"});
  EXPECT_EQ(report.applied, Names{"[log] level"});
}

}  // namespace
}  // namespace culvert::gateway
