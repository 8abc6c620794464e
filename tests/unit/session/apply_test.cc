// Commands of control: what they do, and everything that is refused.
#include "dataplane/session/apply.h"

#include <gtest/gtest.h>

#include <functional>

#include "dataplane/abi/setup.h"

#include "tests/unit/support/path_rig.h"

namespace culvert::session {
namespace {

using abi::Command;
using abi::CommandKind;
using testing::LinkMemory;
using testing::PathRig;

constexpr uint64_t kNow = 5'000'000'000;

class ApplyTest : public ::testing::Test {
 protected:
  ApplyTest() : link(8), table(*Table::make(link.view())), aead(*aead::make_engine()) {}

  Applied apply(const Command& command) { return session::apply(*table, *aead, command, kNow); }
  static Command command(CommandKind kind, abi::SessionRef ref) {
    Command command{};
    command.kind = kind;
    command.session = ref;
    return command;
  }
  static Command install_session(abi::SessionRef ref) {
    Command command = ApplyTest::command(CommandKind::kInstallSession, ref);
    command.body.install_session = PathRig::settings(ref.peer_id);
    return command;
  }
  static Command install_key(abi::SessionRef ref, uint8_t key_id, uint8_t salt) {
    Command command = ApplyTest::command(CommandKind::kInstallKey, ref);
    command.body.install_key = PathRig::key(key_id, salt);
    return command;
  }
  static Command key_command(CommandKind kind, abi::SessionRef ref, uint8_t key_id) {
    Command command = ApplyTest::command(kind, ref);
    command.body.key.key_id = key_id;
    return command;
  }
  static Command route(CommandKind kind, abi::SessionRef ref, const char* address, uint8_t length) {
    Command command = ApplyTest::command(kind, ref);
    command.body.route = {*abi::parse_ip(address), length};
    return command;
  }
  Session* routed(const char* address) {
    abi::IpAddress ip = *abi::parse_ip(address);
    return table->route(ip.family == abi::Family::kIpv4 ? 4 : 6, ip.bytes.data());
  }

  LinkMemory link;
  std::unique_ptr<Table> table;
  std::unique_ptr<aead::Engine> aead;
};

TEST_F(ApplyTest, InstallsASession) {
  ASSERT_EQ(apply(install_session({3, 7})), Applied::kDone);
  Session* session = table->find(3);
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(session->ref(), (abi::SessionRef{3, 7}));
  EXPECT_EQ(routed("10.8.0.5"), session);
  EXPECT_EQ(routed("fd00::5"), session);
  EXPECT_EQ(table->find_by_address(testing::endpoint("198.51.100.4", 4000), 0), session);
  EXPECT_EQ(table->find_by_address(testing::endpoint("198.51.100.4", 4000), 1), nullptr) << "another outer port";
  EXPECT_EQ(table->record(*session).generation.load(), 7u);
  abi::Endpoint remote;
  ASSERT_TRUE(table->record(*session).remote.read(remote));
  EXPECT_EQ(remote, testing::endpoint("198.51.100.4", 4000));
  EXPECT_EQ(session->receive.last_ns, kNow);
}

TEST_F(ApplyTest, RefusesEveryBadField) {
  using Settings = abi::InstallSession;
  std::vector<std::pair<const char*, std::function<void(Command&)>>> cases = {
      {"peer-id beyond the table", [](Command& c) { c.session.peer_id = 8; }},
      {"peer-id none", [](Command& c) { c.session.peer_id = abi::kNoPeerId; }},
      {"peer-id huge", [](Command& c) { c.session.peer_id = 0xFFFFFFFF; }},
      {"generation 0", [](Command& c) { c.session.generation = 0; }},
      {"kind 0", [](Command& c) { c.kind = static_cast<CommandKind>(0); }},
      {"kind too large", [](Command& c) { c.kind = static_cast<CommandKind>(8); }},
      {"kind 65535", [](Command& c) { c.kind = static_cast<CommandKind>(65535); }},
  };
  std::vector<std::pair<const char*, std::function<void(Settings&)>>> bodies = {
      {"no remote", [](Settings& s) { s.remote.address.family = abi::Family::kNone; }},
      {"remote family 5", [](Settings& s) { s.remote.address.family = static_cast<abi::Family>(5); }},
      {"remote bytes beyond IPv4", [](Settings& s) { s.remote.address.bytes[4] = 1; }},
      {"remote port 0", [](Settings& s) { s.remote.port = 0; }},
      {"transport 0", [](Settings& s) { s.remote.transport = static_cast<abi::Transport>(0); }},
      {"transport 3", [](Settings& s) { s.remote.transport = static_cast<abi::Transport>(3); }},
      {"local family 5", [](Settings& s) { s.local.address.family = static_cast<abi::Family>(5); }},
      {"outer port", [](Settings& s) { s.port = abi::kMaxPorts; }},
      {"format 0", [](Settings& s) { s.format = static_cast<abi::DataFormat>(0); }},
      {"format 3", [](Settings& s) { s.format = static_cast<abi::DataFormat>(3); }},
      {"framing", [](Settings& s) { s.framing = static_cast<abi::Framing>(4); }},
      {"unknown flag", [](Settings& s) { s.flags |= 8; }},
      {"remote peer-id of 25 bits", [](Settings& s) { s.remote_peer_id = 0x1000000; }},
      {"MTU 67", [](Settings& s) { s.tun_mtu = 67; }},
      {"MTU 9001", [](Settings& s) { s.tun_mtu = 9001; }},
      {"MSS limit 255", [](Settings& s) { s.mss_limit = 255; }},
      {"replay window", [](Settings& s) { s.replay_window = ReplayWindow::kMaxSize + 1; }},
  };
  for (auto& [name, change] : bodies)
    cases.emplace_back(name, [change = change](Command& c) { change(c.body.install_session); });
  for (auto& [name, change] : cases) {
    Command bad = install_session({3, 1});
    change(bad);
    EXPECT_EQ(apply(bad), Applied::kInvalid) << name;
    EXPECT_TRUE(table->live().empty()) << name;
    EXPECT_EQ(table->routes().size(), 0u) << name;
  }
}

TEST_F(ApplyTest, LateCommandsOfAnEarlierLifeDoNothing) {
  ASSERT_EQ(apply(install_session({3, 7})), Applied::kDone);
  ASSERT_EQ(apply(install_key({3, 7}, 0, 1)), Applied::kDone);
  for (uint32_t generation : {1u, 6u, 8u}) {
    abi::SessionRef other{3, generation};
    EXPECT_EQ(apply(command(CommandKind::kRemoveSession, other)), Applied::kStale);
    EXPECT_EQ(apply(install_key(other, 1, 2)), Applied::kStale);
    EXPECT_EQ(apply(key_command(CommandKind::kRemoveKey, other, 0)), Applied::kStale);
    EXPECT_EQ(apply(key_command(CommandKind::kSendWithKey, other, 0)), Applied::kStale);
    EXPECT_EQ(apply(route(CommandKind::kAddRoute, other, "10.99.0.0", 24)), Applied::kStale);
  }
  EXPECT_EQ(apply(install_session({3, 6})), Applied::kStale) << "an older life never comes back";
  ASSERT_NE(table->find(3), nullptr);
  EXPECT_NE(table->find(3)->receive.keys[0], nullptr);

  ASSERT_EQ(apply(command(CommandKind::kRemoveSession, {3, 7})), Applied::kDone);
  EXPECT_EQ(apply(install_session({3, 7})), Applied::kStale) << "nor does the one that was removed";
  EXPECT_EQ(apply(install_session({3, 8})), Applied::kDone);
}

TEST_F(ApplyTest, RemovingLeavesNothing) {
  ASSERT_EQ(apply(install_session({3, 7})), Applied::kDone);
  ASSERT_EQ(apply(install_key({3, 7}, 0, 1)), Applied::kDone);
  ASSERT_EQ(apply(route(CommandKind::kAddRoute, {3, 7}, "10.99.0.0", 24)), Applied::kDone);
  ASSERT_EQ(apply(command(CommandKind::kRemoveSession, {3, 7})), Applied::kDone);
  EXPECT_EQ(table->find(3), nullptr);
  EXPECT_EQ(table->routes().size(), 0u);
  EXPECT_EQ(table->find_by_address(testing::endpoint("198.51.100.4", 4000), 0), nullptr);
  EXPECT_TRUE(table->live().empty());
}

TEST_F(ApplyTest, ANewLifeReplacesOneThatWasNotRemoved) {
  ASSERT_EQ(apply(install_session({3, 7})), Applied::kDone);
  ASSERT_EQ(apply(install_key({3, 7}, 0, 1)), Applied::kDone);
  ASSERT_EQ(apply(install_session({3, 8})), Applied::kDone);
  EXPECT_EQ(table->find(3)->receive.keys[0], nullptr) << "the old key must not open the new one's packets";
  EXPECT_EQ(table->live().size(), 1u);
}

TEST_F(ApplyTest, AnotherSessionsAddressIsRefused) {
  ASSERT_EQ(apply(install_session({3, 1})), Applied::kDone);
  Command thief = install_session({4, 1});
  thief.body.install_session.ip4 = PathRig::settings(3).ip4;
  EXPECT_EQ(apply(thief), Applied::kNoRoom);
  EXPECT_EQ(table->find(4), nullptr);
  EXPECT_EQ(routed("fd00::6"), nullptr) << "refused as a whole";
  ASSERT_EQ(apply(install_session({4, 1})), Applied::kDone);
  EXPECT_EQ(apply(route(CommandKind::kAddRoute, {4, 1}, "10.8.0.5", 32)), Applied::kNoRoom);
  EXPECT_EQ(routed("10.8.0.5"), table->find(3));
}

TEST_F(ApplyTest, InstallingAgainChangesSettingsAndKeepsKeys) {
  ASSERT_EQ(apply(install_session({3, 7})), Applied::kDone);
  ASSERT_EQ(apply(install_key({3, 7}, 0, 1)), Applied::kDone);
  ASSERT_EQ(apply(route(CommandKind::kAddRoute, {3, 7}, "10.99.0.0", 24)), Applied::kDone);
  Command again = install_session({3, 7});
  again.body.install_session.ip4 = {10, 8, 0, 77};
  again.body.install_session.remote = testing::endpoint("2001:db8::5", 999);
  again.body.install_session.port = 2;
  ASSERT_EQ(apply(again), Applied::kDone);
  Session* session = table->find(3);
  EXPECT_NE(session->receive.keys[0], nullptr);
  EXPECT_EQ(routed("10.8.0.77"), session);
  EXPECT_EQ(routed("10.8.0.5"), nullptr);
  EXPECT_EQ(routed("10.99.0.1"), session) << "routes of kAddRoute stay";
  EXPECT_EQ(table->find_by_address(testing::endpoint("198.51.100.4", 4000), 0), nullptr);
  EXPECT_EQ(table->find_by_address(testing::endpoint("2001:db8::5", 999), 2), session);
}

TEST_F(ApplyTest, KeysRefuseEveryBadField) {
  ASSERT_EQ(apply(install_session({3, 1})), Applied::kDone);
  for (auto change : std::vector<std::function<void(abi::InstallKey&)>>{
           [](auto& k) { k.key_id = 8; }, [](auto& k) { k.key_id = 255; },
           [](auto& k) { k.cipher = static_cast<abi::Cipher>(0); },
           [](auto& k) { k.cipher = static_cast<abi::Cipher>(8); }, [](auto& k) { k.cipher = abi::Cipher::kAes256Cbc; },
           [](auto& k) { k.format = abi::KeyFormat::kCbcHmac; },
           [](auto& k) { k.format = static_cast<abi::KeyFormat>(3); }, [](auto& k) { k.digest = abi::Digest::kSha1; },
           [](auto& k) {
             k.format = abi::KeyFormat::kCbcHmac;
             k.cipher = abi::Cipher::kAes256Cbc;  // and no digest
           },
           [](auto& k) {
             k.format = abi::KeyFormat::kCbcHmac;
             k.cipher = abi::Cipher::kAes256Cbc;
             k.digest = static_cast<abi::Digest>(6);
           },
           [](auto& k) { k.format = abi::KeyFormat::kEpoch; },  // packet-ids without epoch
           [](auto& k) {
             k.format = abi::KeyFormat::kEpoch;
             k.first_packet_id = k.replay_floor = uint64_t{1} << abi::kEpochShift;  // counters start at 1
           },
           [](auto& k) {
             k.format = abi::KeyFormat::kEpoch;
             k.first_packet_id = (uint64_t{1} << abi::kEpochShift) + 1;  // and no epoch to receive in
           },
           [](auto& k) { k.first_packet_id = 0; }, [](auto& k) { k.first_packet_id = (uint64_t{1} << 32) + 1; },
           [](auto& k) { k.replay_floor = uint64_t{1} << 32; }, [](auto& k) { k.send_at_once = 2; }}) {
    Command bad = install_key({3, 1}, 0, 1);
    change(bad.body.install_key);
    EXPECT_EQ(apply(bad), Applied::kInvalid);
  }
  for (uint8_t key_id : {0, 7, 8, 255})
    EXPECT_EQ(apply(key_command(CommandKind::kSendWithKey, {3, 1}, key_id)), Applied::kInvalid) << "no such key";
  EXPECT_EQ(apply(key_command(CommandKind::kRemoveKey, {3, 1}, 8)), Applied::kInvalid);
  EXPECT_EQ(apply(key_command(CommandKind::kRemoveKey, {3, 1}, 5)), Applied::kDone) << "already gone is as wished";
  EXPECT_EQ(table->find(3)->send.key, nullptr);
}

TEST_F(ApplyTest, ThreeKeysLiveAndTheFourthPushesTheOldestOut) {
  ASSERT_EQ(apply(install_session({3, 1})), Applied::kDone);
  auto live = [&] {
    std::string keys;
    const ReceiveState& receive = table->find(3)->receive;
    for (uint8_t id = 0; id < 8; ++id) {
      if (receive.keys[id] != nullptr) keys += static_cast<char>('0' + id);
      EXPECT_EQ(receive.key(id), receive.keys[id]) << "the newest one is found where it was noted";
    }
    return keys;
  };
  for (uint8_t id : {5, 6, 7}) ASSERT_EQ(apply(install_key({3, 1}, id, id)), Applied::kDone);
  EXPECT_EQ(live(), "567");
  ASSERT_EQ(apply(install_key({3, 1}, 1, 9)), Applied::kDone);  // 7 wraps to 1
  EXPECT_EQ(live(), "167");
  EXPECT_EQ(table->find(3)->send.key->key_id, 1);
  ASSERT_EQ(apply(key_command(CommandKind::kRemoveKey, {3, 1}, 1)), Applied::kDone);
  EXPECT_EQ(live(), "67") << "the newest, too, can go";
  ASSERT_EQ(apply(key_command(CommandKind::kRemoveKey, {3, 1}, 6)), Applied::kDone);
  EXPECT_EQ(live(), "7");
}

TEST_F(ApplyTest, TheKeyThatIsSentWithIsNeverPushedOut) {
  ASSERT_EQ(apply(install_session({3, 1})), Applied::kDone);
  ASSERT_EQ(apply(install_key({3, 1}, 0, 1)), Applied::kDone);
  for (uint8_t id : {1, 2, 3, 4}) {
    Command command = install_key({3, 1}, id, id);
    command.body.install_key.send_at_once = 0;
    ASSERT_EQ(apply(command), Applied::kDone);
    ASSERT_NE(table->find(3)->send.key, nullptr);
    EXPECT_EQ(table->find(3)->send.key->key_id, 0);
  }
  EXPECT_EQ(table->find(3)->key_order.size(), Table::kMaxKeys);
}

TEST_F(ApplyTest, TheSameKeyInstalledAgainGoesOnCounting) {
  ASSERT_EQ(apply(install_session({3, 1})), Applied::kDone);
  ASSERT_EQ(apply(install_key({3, 1}, 0, 1)), Applied::kDone);
  SendKey* send = table->find(3)->send.key;
  for (int i = 0; i < 100; ++i) send->take_packet_id();
  ASSERT_EQ(apply(install_key({3, 1}, 0, 1)), Applied::kDone);
  EXPECT_EQ(table->find(3)->send.key->take_packet_id(), 101u) << "a nonce would be used twice";
  ASSERT_EQ(apply(install_key({3, 1}, 0, 2)), Applied::kDone);
  EXPECT_EQ(table->find(3)->send.key->take_packet_id(), 1u) << "another key starts anew";
  Command other_iv = install_key({3, 1}, 0, 2);
  other_iv.body.install_key.send.implicit_iv[0] ^= 1;
  ASSERT_EQ(apply(other_iv), Applied::kDone);
  EXPECT_EQ(table->find(3)->send.key->take_packet_id(), 1u) << "and so does another IV";
  EXPECT_EQ(table->find(3)->send.key->implicit_iv[0], other_iv.body.install_key.send.implicit_iv[0]);
}

TEST_F(ApplyTest, AKeyInstalledAfterARestartGoesOnWhereItWas) {
  ASSERT_EQ(apply(install_session({3, 1})), Applied::kDone);
  Command resumed = install_key({3, 1}, 2, 1);
  resumed.body.install_key.first_packet_id = 131072;
  resumed.body.install_key.replay_floor = 5000;
  ASSERT_EQ(apply(resumed), Applied::kDone);
  Session* session = table->find(3);
  EXPECT_EQ(session->receive.keys[2]->window.check(5000), ReplayVerdict::kDuplicate);
  EXPECT_EQ(session->receive.keys[2]->window.check(5001), ReplayVerdict::kFresh);
  EXPECT_EQ(link.view().seen(3).highest[2].load(), 5000u) << "and so does the dataplane after the next";
  EXPECT_EQ(table->record(*session).send_reserved[2].load(), 131072u);
  EXPECT_EQ(session->send.key->take_packet_id(), 131072u);
  EXPECT_EQ(table->record(*session).send_reserved[2].load(), 196608u);
}

TEST_F(ApplyTest, RoutesAreChecked) {
  ASSERT_EQ(apply(install_session({3, 1})), Applied::kDone);
  EXPECT_EQ(apply(route(CommandKind::kAddRoute, {3, 1}, "10.99.0.0", 33)), Applied::kInvalid);
  EXPECT_EQ(apply(route(CommandKind::kAddRoute, {3, 1}, "fd99::", 129)), Applied::kInvalid);
  Command no_family = route(CommandKind::kAddRoute, {3, 1}, "10.99.0.0", 24);
  no_family.body.route.address.family = abi::Family::kNone;
  EXPECT_EQ(apply(no_family), Applied::kInvalid);
  EXPECT_EQ(apply(route(CommandKind::kAddRoute, {3, 1}, "10.99.0.7", 24)), Applied::kDone);
  EXPECT_EQ(routed("10.99.0.1"), table->find(3));
  EXPECT_EQ(apply(route(CommandKind::kRemoveRoute, {3, 1}, "10.99.0.0", 24)), Applied::kDone);
  EXPECT_EQ(routed("10.99.0.1"), nullptr);

  for (uint32_t i = 0; table->find(3)->routes.size() < abi::kMaxSessionRoutes; ++i) {
    std::string address = "10.100." + std::to_string(i) + ".0";
    ASSERT_EQ(apply(route(CommandKind::kAddRoute, {3, 1}, address.c_str(), 24)), Applied::kDone);
  }
  EXPECT_EQ(apply(route(CommandKind::kAddRoute, {3, 1}, "10.101.0.0", 24)), Applied::kNoRoom);
}

TEST_F(ApplyTest, MssLeavesRoomForPaddingOfCbc) {
  struct Case {
    abi::DataFormat format;
    abi::Digest digest;
    uint16_t ip4;
  };
  // 1492 - 28 of IP and UDP, less opcode, HMAC and IV; down to whole blocks; less one byte of padding, the packet-id,
  // and 40 of inner headers.
  for (Case c : {Case{abi::DataFormat::kV2, abi::Digest::kSha1, 1379},     // 1424
                 Case{abi::DataFormat::kV2, abi::Digest::kSha256, 1363},   // 1412: 1408
                 Case{abi::DataFormat::kV2, abi::Digest::kSha512, 1331},   // 1380: 1376
                 Case{abi::DataFormat::kV1, abi::Digest::kSha1, 1379}}) {  // 1427: 1424
    Command session = install_session({3, 1});
    session.body.install_session.format = c.format;
    session.body.install_session.mss_limit = 1492;
    ASSERT_EQ(apply(session), Applied::kDone);
    Command key = install_key({3, 1}, 0, static_cast<uint8_t>(c.digest));
    key.body.install_key.cipher = abi::Cipher::kAes256Cbc;
    key.body.install_key.format = abi::KeyFormat::kCbcHmac;
    key.body.install_key.digest = c.digest;
    ASSERT_EQ(apply(key), Applied::kDone);
    EXPECT_EQ(table->find(3)->where.mss_ip4, c.ip4);
    EXPECT_EQ(table->find(3)->where.mss_ip6, c.ip4 - 20);
  }
}

TEST_F(ApplyTest, MssFollowsTheOuterFamilyAndTheFormat) {
  struct Case {
    const char* remote;
    abi::Transport transport;
    abi::DataFormat format;
    uint16_t ip4, ip6;
  };
  // 1492 less outer IP and UDP, 24 or 21 of tunnel header, inner IP and TCP header (mss.c).
  for (Case c : {Case{"198.51.100.1", abi::Transport::kUdp, abi::DataFormat::kV2, 1400, 1380},
                 Case{"198.51.100.1", abi::Transport::kUdp, abi::DataFormat::kV1, 1403, 1383},
                 Case{"2001:db8::1", abi::Transport::kUdp, abi::DataFormat::kV2, 1380, 1360},
                 Case{"198.51.100.1", abi::Transport::kTcp, abi::DataFormat::kV2, 1386, 1366}}) {
    Command install = install_session({3, 1});
    install.body.install_session.remote = testing::endpoint(c.remote, 1000, c.transport);
    install.body.install_session.format = c.format;
    install.body.install_session.mss_limit = 1492;
    ASSERT_EQ(apply(install), Applied::kDone);
    EXPECT_EQ(table->find(3)->where.mss_ip4, c.ip4);
    EXPECT_EQ(table->find(3)->where.mss_ip6, c.ip6);
  }
}

TEST_F(ApplyTest, ANewLifeBeginsWithNothingSentOrSeen) {
  ASSERT_EQ(apply(install_session({3, 1})), Applied::kDone);
  Command resumed = install_key({3, 1}, 2, 1);
  resumed.body.install_key.first_packet_id = 131072;
  resumed.body.install_key.replay_floor = 5000;
  ASSERT_EQ(apply(resumed), Applied::kDone);
  ASSERT_EQ(link.view().seen(3).highest[2].load(), 5000u);
  ASSERT_EQ(apply(install_session({3, 2})), Applied::kDone);
  for (size_t key_id = 0; key_id < abi::kKeyIds; ++key_id) {
    EXPECT_EQ(link.view().seen(3).highest[key_id].load(), 0u) << key_id;
    EXPECT_EQ(link.view().session(3).worker.send_reserved[key_id].load(), 0u) << key_id;
  }
}

TEST_F(ApplyTest, WhatASessionHasCarriedIsRecordedWhenItGoesAndNotTheNextLifes) {
  ASSERT_EQ(apply(install_session({3, 1})), Applied::kDone);
  Session& session = *table->find(3);
  session.receive.packets = 1, session.receive.bytes = 2, session.receive.drops = 3;
  session.send.packets = 4, session.send.bytes = 5;
  const abi::WorkerRecord& record = table->record(session);
  auto numbers = [&] {
    return std::vector<uint64_t>{record.rx_packets, record.rx_bytes, record.drops, record.tx_packets, record.tx_bytes};
  };
  ASSERT_EQ(apply(command(CommandKind::kRemoveSession, {3, 1})), Applied::kDone);
  EXPECT_EQ(numbers(), (std::vector<uint64_t>{1, 2, 3, 4, 5}));
  ASSERT_EQ(apply(install_session({3, 2})), Applied::kDone);
  EXPECT_EQ(numbers(), std::vector<uint64_t>(5, 0));
}

TEST_F(ApplyTest, MssLeavesRoomForTheByteOfAFraming) {
  Command install = install_session({3, 1});
  install.body.install_session.mss_limit = 1492;
  for (auto [framing, mss] : {std::pair{abi::Framing::kNone, 1400}, std::pair{abi::Framing::kStubV2, 1400},
                              std::pair{abi::Framing::kStub, 1399}, std::pair{abi::Framing::kLzoStub, 1399}}) {
    install.body.install_session.framing = framing;
    ASSERT_EQ(apply(install), Applied::kDone);
    EXPECT_EQ(table->find(3)->where.mss_ip4, mss);
  }
}

TEST_F(ApplyTest, MssFollowsTheKeyThatIsSentWith) {
  Command session = install_session({3, 1});
  session.body.install_session.mss_limit = 1492;
  ASSERT_EQ(apply(session), Applied::kDone);
  ASSERT_EQ(apply(install_key({3, 1}, 0, 1)), Applied::kDone);
  EXPECT_EQ(table->find(3)->where.mss_ip4, 1400);
  Command cbc = install_key({3, 1}, 1, 2);
  cbc.body.install_key.cipher = abi::Cipher::kAes256Cbc;
  cbc.body.install_key.format = abi::KeyFormat::kCbcHmac;
  cbc.body.install_key.digest = abi::Digest::kSha256;
  cbc.body.install_key.send_at_once = 0;
  ASSERT_EQ(apply(cbc), Applied::kDone);
  EXPECT_EQ(table->find(3)->where.mss_ip4, 1400);
  ASSERT_EQ(apply(key_command(CommandKind::kSendWithKey, {3, 1}, 1)), Applied::kDone);
  EXPECT_EQ(table->find(3)->where.mss_ip4, 1363);
}

TEST_F(ApplyTest, APlaceThatAnotherSessionHasTakenStaysIts) {
  ASSERT_EQ(apply(install_session({3, 1})), Applied::kDone);
  Command newer = install_session({4, 1});
  newer.body.install_session.remote = PathRig::settings(3).remote;
  ASSERT_EQ(apply(newer), Applied::kDone);
  ASSERT_TRUE(table->set_remote(*table->find(3), testing::endpoint("198.51.100.77", 1), 0)) << "it floats away";
  EXPECT_EQ(table->find_by_address(PathRig::settings(3).remote, 0), table->find(4));
}

TEST_F(ApplyTest, WithoutRoomForItsAddressesASessionIsRefused) {
  constexpr uint32_t kSessions = 200;  // so many can fill the table of routes
  LinkMemory large(kSessions);
  auto with_room = std::exchange(table, *Table::make(large.view()));
  uint32_t number = 0;
  for (uint32_t peer_id = 1; table->routes().free() > 0; ++peer_id) {
    ASSERT_EQ(apply(install_session({peer_id, 1})), Applied::kDone);
    while (table->routes().free() > 0 && table->find(peer_id)->routes.size() < abi::kMaxSessionRoutes) {
      std::array<uint8_t, 4> address{172, 16, static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number)};
      ASSERT_TRUE(table->add_route(*table->find(peer_id), make_prefix(4, address.data(), 32)));
      ++number;
    }
  }
  EXPECT_EQ(apply(install_session({0, 1})), Applied::kNoRoom);
  EXPECT_EQ(table->find(0), nullptr);
  table = std::move(with_room);
}

TEST_F(ApplyTest, AddressSharedByTwoLivesBelongsToTheNewerOne) {
  // A client that restarts on the same port: its new session is installed before the old one is removed.
  ASSERT_EQ(apply(install_session({3, 1})), Applied::kDone);
  Command newer = install_session({4, 1});
  newer.body.install_session.remote = PathRig::settings(3).remote;
  ASSERT_EQ(apply(newer), Applied::kDone);
  ASSERT_EQ(apply(command(CommandKind::kRemoveSession, {3, 1})), Applied::kDone);
  EXPECT_EQ(table->find_by_address(PathRig::settings(3).remote, 0), table->find(4));
}

}  // namespace
}  // namespace culvert::session
