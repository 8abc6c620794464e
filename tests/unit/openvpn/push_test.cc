#include "control/openvpn/push.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace culvert::openvpn {
namespace {

using Options = std::vector<std::string>;

ClientGrant grant() {
  ClientGrant out;
  out.ip4 = {10, 8, 0, 5};
  out.ip4_gateway = {10, 8, 0, 1};
  return out;
}

Agreement modern() {
  Agreement agreement;
  agreement.cipher = abi::Cipher::kAes256Gcm;
  agreement.format = abi::DataFormat::kV2;
  agreement.tls_key_export = agreement.dynamic_tls_crypt = agreement.cc_exit = true;
  agreement.push_cipher = agreement.push_mtu = true;
  return agreement;
}

TEST(Push, ModernClient) {
  ClientGrant given = grant();
  given.push = {"ping 10", "ping-restart 60", "route 192.168.0.0 255.255.0.0"};
  given.ip6 = {0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5};
  given.ip6_gateway = {0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  EXPECT_EQ(
      push_options({}, given, modern(), 7),
      (Options{"ping 10", "ping-restart 60", "route 192.168.0.0 255.255.0.0", "tun-ipv6", "topology subnet",
               "route-gateway 10.8.0.1", "ifconfig-ipv6 fd00::5/64 fd00::1", "ifconfig 10.8.0.5 255.255.255.0",
               "peer-id 7", "cipher AES-256-GCM", "protocol-flags cc-exit tls-ekm dyn-tls-crypt", "tun-mtu 1500"}));
}

TEST(Push, TheTopologySaysWhatIfconfigNames) {
  ClientGrant given = grant();
  given.topology = Topology::kNet30;
  given.ip4_peer = {10, 8, 0, 6};
  Agreement none;
  EXPECT_EQ(push_options({}, given, none, 7), (Options{"topology net30", "ifconfig 10.8.0.5 10.8.0.6"}));
  given.topology = Topology::kP2p;
  given.ip4_alias = {192, 168, 1, 5};
  EXPECT_EQ(push_options({}, given, none, 7), (Options{"topology p2p", "ifconfig 192.168.1.5 10.8.0.6"}));
}

TEST(Push, WhatTheGrantNamesIsNotGeneratedAgain) {
  ClientGrant given = grant();
  given.push = {"topology subnet", "route-gateway 10.8.0.254"};
  Options options = push_options({}, given, modern(), 0);
  EXPECT_EQ(std::ranges::count(options, "topology subnet"), 1);
  EXPECT_EQ(std::ranges::count_if(options, [](auto& option) { return option.starts_with("route-gateway"); }), 1);
}

TEST(Push, WithoutAGatewayNoneIsNamed) {
  ClientGrant given = grant();
  given.ip4_gateway = {};
  for (const std::string& option : push_options({}, given, modern(), 0))
    EXPECT_FALSE(option.starts_with("route-gateway")) << option;
}

TEST(Push, OldClientsGetNothingTheyCanNotRead) {
  Agreement old;
  old.cipher = abi::Cipher::kAes128Gcm;
  EXPECT_EQ(push_options({}, grant(), old, 7),
            (Options{"topology subnet", "route-gateway 10.8.0.1", "ifconfig 10.8.0.5 255.255.255.0"}));
  old.tls_key_export = true;
  EXPECT_EQ(push_options({}, grant(), old, 7).back(), "key-derivation tls-ekm");
}

TEST(Push, NetmasksOfAllPrefixes) {
  struct Case {
    uint8_t prefix;
    const char* mask;
  };
  for (Case c : {Case{0, "0.0.0.0"}, Case{1, "128.0.0.0"}, Case{22, "255.255.252.0"}, Case{31, "255.255.255.254"},
                 Case{32, "255.255.255.255"}}) {
    ClientGrant given = grant();
    given.ip4_prefix = c.prefix;
    Options options = push_options({}, given, modern(), 0);
    EXPECT_NE(std::ranges::find(options, std::string("ifconfig 10.8.0.5 ") + c.mask), options.end()) << c.mask;
  }
}

TEST(Push, SplitsBeforeTheLimitAndComesTogetherAgain) {
  for (size_t length : {size_t{1}, size_t{20}, size_t{100}, longest_push_option() - 1, longest_push_option()}) {
    Options options;
    for (int i = 0; i < 60; ++i) options.push_back(std::string(length, static_cast<char>('a' + i % 26)));
    Options left_out;
    Options messages = split_push_reply(options, &left_out);
    EXPECT_TRUE(left_out.empty());
    PushCollector collector;
    for (size_t i = 0; i < messages.size(); ++i) {
      EXPECT_LT(std::string("PUSH_REPLY,").size() + messages[i].size(), kPushBundle);
      auto expected = i + 1 < messages.size() ? PushCollector::State::kMore : PushCollector::State::kComplete;
      EXPECT_EQ(collector.add(messages[i]), expected);
    }
    EXPECT_EQ(collector.take(), options);
  }
}

TEST(Push, AMessageIsFilledToTheLastByteAndNoFurther) {
  const std::string first(100, 'a');
  const std::string rest(longest_push_option() - first.size() - 1, 'b');
  EXPECT_EQ(split_push_reply({first, rest}, nullptr).size(), 1u);
  EXPECT_EQ(split_push_reply({first, rest + 'b'}, nullptr).size(), 2u);
}

TEST(Push, LeavesOutWhatCanNotBeSent) {
  Options left_out;
  Options options = {"ok", std::string(longest_push_option() + 1, 'x'), "a,b", "line\nbreak", "\x7f", "", "also ok"};
  EXPECT_EQ(split_push_reply(options, &left_out), Options{"ok,also ok"});
  EXPECT_EQ(left_out.size(), 5u);
  EXPECT_EQ(split_push_reply({}, nullptr), Options{""});
}

TEST(PushCollector, IsBounded) {
  PushCollector collector;
  std::string part;
  for (int i = 0; i < 100; ++i) part += "x,";
  PushCollector::State state{};
  int rounds = 0;
  do state = collector.add(part + "push-continuation 2");
  while (state == PushCollector::State::kMore && ++rounds < 10000);
  EXPECT_EQ(state, PushCollector::State::kTooMuch);
  EXPECT_LT(rounds, 100);
}

TEST(ReadPush, GoodAndBadOptions) {
  ClientSettings settings;
  auto good = read_push({"ifconfig 10.8.0.5 255.255.255.0", "ifconfig-ipv6 fd00::5/64 fd00::1", "peer-id 5", "ping 10",
                         "cipher AES-128-GCM", "protocol-flags cc-exit tls-ekm dyn-tls-crypt", "tun-mtu 1400",
                         "route 1.2.3.4", "unheard-of thing", " "},
                        settings);
  ASSERT_TRUE(good) << good.error();
  EXPECT_EQ((*good).peer_id, 5u);
  EXPECT_EQ((*good).ip4, (std::array<uint8_t, 4>{10, 8, 0, 5}));
  EXPECT_TRUE((*good).cc_exit && (*good).tls_key_export && (*good).dynamic_tls_crypt);
  for (const char* bad : {"ifconfig",
                          "ifconfig 10.8.0",
                          "ifconfig 10.8.0.256 255.255.255.0",
                          "ifconfig-ipv6 xyz",
                          "peer-id",
                          "peer-id -1",
                          "peer-id 16777215",
                          "peer-id 99999999999",
                          "peer-id 1x",
                          "ping x",
                          "ping 65536",
                          "ping-restart",
                          "cipher",
                          "cipher BF-CBC",
                          "cipher AES-192-GCM",
                          "protocol-flags aead-eon",
                          "key-derivation x",
                          "tun-mtu 67",
                          "tun-mtu 65536",
                          "tun-mtu"})
    EXPECT_FALSE(read_push({bad}, settings)) << bad;
  EXPECT_TRUE(read_push({"protocol-flags aead-epoch"}, settings));
  settings.capabilities = ~iv_proto::kEpochKeys;
  EXPECT_FALSE(read_push({"protocol-flags aead-epoch"}, settings)) << "not offered";
}

}  // namespace
}  // namespace culvert::openvpn
