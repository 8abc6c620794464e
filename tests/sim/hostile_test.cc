// What nobody may achieve: state before proof, amplification, a packet that is refused without a reason, a stall, a
// crash.
#include <gtest/gtest.h>

#include <set>

#include "control/openvpn/key_files.h"
#include "control/openvpn/key_method2.h"
#include "control/openvpn/negotiate.h"
#include "control/openvpn/wrap.h"
#include "tests/sim/crafted.h"
#include "tests/sim/handmade_client.h"

namespace culvert::sim {
namespace {

using namespace openvpn;
using namespace std::chrono_literals;
using abi::DropReason;
using Opcode = culvert::wire::Opcode;
using SessionId = culvert::wire::SessionId;

uint64_t drops(const World& world, DropReason reason) {
  return world.server->tally().drops[static_cast<size_t>(reason)];
}
uint64_t all_drops(const World& world) {
  uint64_t sum = 0;
  for (uint64_t count : world.server->tally().drops) sum += count;
  return sum;
}
constexpr SessionId kClientId = {1, 2, 3, 4, 5, 6, 7, 8};

void configure(WrapKind kind, ServerSettings& server, ClientSettings& client) {
  SeededRandom random(11);
  server.wrap.kind = client.wrap.kind = kind;
  server.wrap.key = client.wrap.key = make_static_key(random);
  if (kind == WrapKind::kTlsCryptV2) {
    server.wrap.server_key = make_tls_crypt_v2_server_key(random);
    auto key = make_tls_crypt_v2_client_key(server.wrap.server_key, random, kEpoch);
    client.wrap.key = (*key).key;
    client.wrap.wrapped_client_key = (*key).wrapped;
  }
}

class Flood : public ::testing::TestWithParam<WrapKind> {};

TEST_P(Flood, FirstPacketsCostNoStateAndAreNotAmplified) {
  World::Options options;
  ClientSettings settings = client_settings("flood");
  configure(GetParam(), options.server, settings);
  World world(options);
  world.keep_sent = true;
  SeededRandom random(seed());
  // What a real client sends first, from many addresses that nobody answers at.
  Client client(settings, {0, 1}, random);
  client.start(world.clock.now());
  Outputs outputs = client.take_outputs();
  const Bytes first = std::get<SendPacket>(outputs.at(0)).bytes;
  for (uint32_t host = 0; host < 30000; ++host) world.server_receives(endpoint(host + 1000, 9), first);
  EXPECT_EQ(world.server->session_count(), 0u);
  EXPECT_EQ(world.peer_ids.taken(), 0u);
  EXPECT_FALSE(world.server->next_deadline()) << "nothing is remembered, so nothing is due";
  EXPECT_EQ(world.server_sent.size(), options.server.initial_in_all);
  EXPECT_EQ(world.server->tally().counters[static_cast<size_t>(abi::Counter::resets_answered)],
            options.server.initial_in_all);
  constexpr double kHeaders = 28;  // IPv4 and UDP
  for (auto& [to, bytes] : world.server_sent)
    EXPECT_LE(static_cast<double>(bytes.size()) + kHeaders, 1.3 * (static_cast<double>(first.size()) + kHeaders));
  if (GetParam() == WrapKind::kTlsCryptV2) {
    EXPECT_LE(world.server_sent[0].second.size(), first.size());
  }
  EXPECT_EQ(drops(world, DropReason::control_rate_limited), 10000u);
  // An honest client still gets in: tokens come back at any moment, not at the end of a period.
  World::Peer& honest = world.add_client(settings, 1);
  world.clock.run_for(100ms);
  world.start(honest);
  EXPECT_TRUE(world.run_until([&] { return honest.engine->connected(); }, 30s));
}

INSTANTIATE_TEST_SUITE_P(Wraps, Flood,
                         ::testing::Values(WrapKind::kNone, WrapKind::kTlsAuth, WrapKind::kTlsCrypt,
                                           WrapKind::kTlsCryptV2));

TEST(Hostile, EveryKindOfGarbageIsRefusedUnderAReason) {
  for (WrapKind kind : {WrapKind::kNone, WrapKind::kTlsAuth, WrapKind::kTlsCrypt, WrapKind::kTlsCryptV2}) {
    World::Options options;
    options.seed = seed();
    options.server.initial_per_network = options.server.initial_in_all = 0;  // no answers: every packet must be a drop
    ClientSettings settings = client_settings("x");
    configure(kind, options.server, settings);
    World world(options);
    SeededRandom random(seed() + 1);
    Client client(settings, {0, 1}, random);
    client.start(world.clock.now());
    Outputs outputs = client.take_outputs();
    const Bytes good = std::get<SendPacket>(outputs.at(0)).bytes;
    uint64_t sent = 0;
    auto send = [&](const Bytes& bytes) {
      world.server_receives(endpoint(5, 5), bytes);
      ++sent;
    };
    for (size_t size = 0; size <= good.size(); ++size)
      send(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)));
    for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
      Bytes flipped = good;
      flipped[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
      send(flipped);
    }
    for (int i = 0; i < 20000; ++i) {
      Bytes noise(random.below(1500));
      random.fill(noise);
      if (!noise.empty() && i % 2) noise[0] = static_cast<uint8_t>((3 + random.below(9)) << 3);
      send(noise);
    }
    EXPECT_EQ(all_drops(world), sent);
    EXPECT_EQ(world.server->session_count(), 0u);
  }
}

/// A connected session over which packets can be forged with the right session IDs.
struct Inside : ::testing::Test {
  void SetUp() override {
    World::Options options;
    options.seed = seed();
    options.server.wrap.kind = WrapKind::kNone;
    world = std::make_unique<World>(options);
    ClientSettings settings = client_settings("alice");
    settings.capabilities &= ~iv_proto::kDynamicTlsCrypt;
    peer = &world->add_client(settings, 1);
    world->start(*peer);
    ASSERT_TRUE(world->run_until([&] { return peer->engine->connected(); }, 30s));
    world->clock.run_for(5s);
    const abi::ControlRecord& record = world->records.begin()->second;
    client = record.remote_session_id;
    server = record.local_session_id;
  }
  void send(const Bytes& bytes) { world->server_receives(peer->address, bytes); }
  void expect_drop(const Bytes& bytes, DropReason reason) {
    uint64_t before = drops(*world, reason);
    send(bytes);
    EXPECT_EQ(drops(*world, reason), before + 1) << abi::info(reason).name;
    EXPECT_EQ(world->server->session_count(), 1u);
  }
  std::unique_ptr<World> world;
  World::Peer* peer = nullptr;
  SessionId client{}, server{};
};

TEST_F(Inside, EveryReasonForAKnownSession) {
  expect_drop(craft(Opcode::kControl, 0, client, {}, {}, 5000, {}), DropReason::control_window);
  expect_drop(craft(Opcode::kAck, 0, client, {5000}, server, 0, {}), DropReason::control_bad_ack);
  expect_drop(craft(Opcode::kAck, 0, client, {0}, kClientId, 0, {}), DropReason::control_wrong_session_id);
  expect_drop(craft(Opcode::kControl, 0, kClientId, {1}, server, 1, {}), DropReason::control_bad_cookie);
  expect_drop(craft(Opcode::kControl, 0, kClientId, {}, {}, 7, {}), DropReason::control_wrong_session_id);
  expect_drop(craft(Opcode::kControl, 3, client, {}, {}, 0, {}), DropReason::control_wrong_key_id);
  expect_drop(craft(Opcode::kSoftReset, 5, client, {}, {}, 0, {}), DropReason::control_wrong_key_id);
  expect_drop(craft(Opcode::kSoftReset, 0, client, {}, {}, 0, {}), DropReason::control_wrong_key_id);
  expect_drop(craft(Opcode::kHardResetServerV2, 0, client, {}, {}, 0, {}), DropReason::control_unexpected_opcode);
  expect_drop(craft(Opcode::kControlWkc, 0, client, {}, {}, 0, {}), DropReason::control_unexpected_opcode);
  expect_drop(craft(Opcode::kHardResetClientV2, 0, client, {}, {}, 1, {}), DropReason::control_window);
  expect_drop(craft(Opcode::kControl, 0, client, Bytes{9}), DropReason::control_malformed);
  // All of it changed nothing: the client goes on.
  world->with_client(*peer, [](Client& engine, Now now) { engine.renegotiate(now); });
  EXPECT_TRUE(world->run_until([&] { return world->server->sessions()[0].renegotiations == 1; }, 30s));
}

TEST_F(Inside, EndlessSoftResetsAreSlowedDown) {
  send(craft(Opcode::kSoftReset, 1, client, {}, {}, 0, {}));
  expect_drop(craft(Opcode::kSoftReset, 2, client, {}, {}, 0, {}), DropReason::control_rate_limited);
  for (int i = 0; i < 1000; ++i)
    send(craft(Opcode::kSoftReset, static_cast<uint8_t>(1 + i % 7), client, {}, {}, 0, {}));
  EXPECT_EQ(world->server->session_count(), 1u);
  EXPECT_EQ(world->worker.errors(), std::vector<std::string>());
}

TEST_F(Inside, GarbageInTlsOfARenegotiationLeavesTheSession) {
  send(craft(Opcode::kSoftReset, 1, client, {}, {}, 0, {}));
  send(craft(Opcode::kControl, 1, client, {0}, server, 1, Bytes(500, 0x41)));
  EXPECT_EQ(world->server->session_count(), 1u);
  world->clock.run_for(100s);
  EXPECT_EQ(world->server->session_count(), 1u);
  EXPECT_TRUE(world->server->sessions()[0].renegotiations > 0) << "the server tried again by itself";
}

TEST_F(Inside, ASoftResetThatMakesNoSenseIsNamed) {
  send(craft(Opcode::kSoftReset, 1, client, {}, {}, 0, Bytes{1}));
  EXPECT_EQ(world->server->session_count(), 1u);
  EXPECT_TRUE(std::ranges::any_of(world->logs, [](const LogLine& line) {
    return line.text.find("renegotiation failed") != line.text.npos &&
           line.text.ends_with("peer sent a malformed reset");
  }));
}

TEST_F(Inside, ARenegotiationThatStandsStillEndsInTime) {
  world->wire.weather.loss = 1;  // the client itself hears nothing of it
  send(craft(Opcode::kSoftReset, 1, client, {}, {}, 0, {}));
  send(craft(Opcode::kAck, 1, client, {0}, server, 0, {}));  // nothing is left to be repeated
  world->clock.run_for(world->server->settings().hand_window + 1s);
  EXPECT_TRUE(std::ranges::any_of(world->logs, [](const LogLine& line) {
    return line.text.ends_with("TLS handshake did not finish within 60 s");
  }));
}

TEST_F(Inside, WhatARenegotiationThatStandsStillHoldsUpIsBounded) {
  world->wire.weather.loss = 1;
  send(craft(Opcode::kSoftReset, 1, client, {}, {}, 0, {}));
  const auto changes = *parse_push_update("route 10.2.0.0 255.255.0.0");
  size_t told = 0;
  world->with_server([&](Server& engine, Now now) {
    const abi::SessionRef session = engine.sessions().at(0).session;
    for (int i = 0; i < 10000; ++i) told += engine.push_update(session, changes, now) ? 1 : 0;
  });
  EXPECT_GT(told, 10u);
  EXPECT_LT(told, 5000u);
}

/// A stock client listens to its newest channel only.
TEST_F(Inside, AGoodbyeDuringARenegotiationDoesNotGoThroughTheChannelBefore) {
  world->wire.weather.loss = 1;
  send(craft(Opcode::kSoftReset, 1, client, {}, {}, 0, {}));
  world->keep_sent = true;
  world->with_server([](Server& engine, Now now) {
    engine.disconnect(engine.sessions().at(0).session, Goodbye::kHalt, EndReason::kKilled, "operator", now);
  });
  for (const auto& [to, bytes] : world->server_sent)
    EXPECT_FALSE(culvert::wire::read_opcode(bytes)->opcode == Opcode::kControl && (bytes[0] & 7) == 0);
}

TEST_F(Inside, ReplaysAreAcknowledgedAgain) {
  world->keep_sent = true;
  uint64_t before = all_drops(*world);
  send(craft(Opcode::kControl, 0, client, {}, {}, 2, {}));
  EXPECT_EQ(all_drops(*world), before);
  ASSERT_EQ(world->server_sent.size(), 1u);
  EXPECT_EQ(world->server_sent[0].second[0] >> 3, static_cast<int>(Opcode::kAck));
}

TEST(Hostile, WrapReasonsAndOldClients) {
  World::Options options;
  options.seed = seed();
  ClientSettings settings = client_settings("alice");
  configure(WrapKind::kTlsCryptV2, options.server, settings);
  World world(options);
  SeededRandom random(seed());
  WrapKey key = WrapKey::from_settings(settings.wrap, Side::kClient);
  auto packet = [&](Opcode opcode, ReplayId replay, const Bytes& plaintext) {
    return *key.seal({{opcode, 0}, kClientId}, replay, plaintext);
  };
  Bytes first = build_control(Opcode::kHardResetClientV3, {}, {}, 0, {});
  world.server_receives(endpoint(1, 1), packet(Opcode::kHardResetClientV3, {1800000000, 1}, first));
  EXPECT_EQ(drops(world, DropReason::control_bad_cookie), 1u) << "force_cookie refuses clients that can't";
  ASSERT_EQ(world.logs.size(), 1u);
  EXPECT_NE(world.logs[0].text.find("allow-noncookie"), std::string::npos);
  for (int i = 0; i < 1000; ++i)
    world.server_receives(endpoint(1, 1), packet(Opcode::kHardResetClientV3, {1800000000, 1}, first));
  EXPECT_LE(world.logs.size(), 3u) << "a stranger can't fill the log";
  Bytes bad = packet(Opcode::kHardResetClientV3, {1800000000, 1}, first);
  bad[20] ^= 1;
  world.server_receives(endpoint(1, 1), bad);
  EXPECT_EQ(drops(world, DropReason::control_bad_wrap), 1u);
  bad = packet(Opcode::kHardResetClientV3, {1800000000, 1}, first);
  bad[bad.size() - 10] ^= 1;
  world.server_receives(endpoint(1, 1), bad);
  EXPECT_EQ(drops(world, DropReason::control_bad_client_key), 1u);
  world.server_receives(endpoint(3, 1), Bytes{static_cast<uint8_t>(Opcode::kDataV2) << 3, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  EXPECT_EQ(drops(world, DropReason::control_unexpected_opcode), 1u);
  world.server_receives(endpoint(3, 1), craft(Opcode::kSoftReset, 1, kClientId, {}, {}, 0, {}));
  EXPECT_EQ(drops(world, DropReason::control_no_session), 1u);
}

TEST(Hostile, AReplayedControlPacketIsCounted) {
  World::Options options;
  options.seed = seed();
  ClientSettings settings = client_settings("alice");
  configure(WrapKind::kTlsCrypt, options.server, settings);
  options.weather.duplication = 1;
  World world(options);
  World::Peer& peer = world.add_client(settings, 1);
  world.start(peer);
  ASSERT_TRUE(world.run_until([&] { return peer.engine->connected(); }, 30s));
  EXPECT_GT(drops(world, DropReason::control_wrap_replay), 3u);
  EXPECT_EQ(world.server->session_count(), 1u) << "every first packet came twice";
}

TEST(Hostile, OldClientsGetInWhereTheOperatorAllowsThem) {
  World::Options options;
  options.seed = seed();
  ClientSettings settings = client_settings("alice");
  configure(WrapKind::kTlsCryptV2, options.server, settings);
  options.server.wrap.force_cookie = false;
  World world(options);
  WrapKey key = WrapKey::from_settings(settings.wrap, Side::kClient);
  Bytes first = build_control(Opcode::kHardResetClientV3, {}, {}, 0, {});
  world.server_receives(endpoint(1, 1),
                        *key.seal({{Opcode::kHardResetClientV3, 0}, kClientId}, {1800000000, 1}, first));
  EXPECT_EQ(world.server->session_count(), 1u);
  world.clock.run_for(70s);
  EXPECT_EQ(world.server->session_count(), 0u);
}

TEST(Hostile, AnswersToChallengesAreHeardUpToABound) {
  World::Options options;
  options.seed = seed();
  World world(options);
  world.keep_sent = true;
  world.decide = nullptr;  // whoever asked waits for the answer
  HandmadeClient client(world, client_settings("alice"), endpoint(1, 4000));
  client.connect();
  for (size_t wrong = 1; wrong <= 20; ++wrong) {
    client.say(build_message(MessageKind::kCrResponse, "d3Jvbmc="));
    EXPECT_EQ(world.challenge_responses, wrong) << "a user may mistype";
  }
  for (int i = 0; i < 1000; ++i) client.say(build_message(MessageKind::kCrResponse, "Zmxvb2Q="));
  EXPECT_LT(world.challenge_responses, 50u);
  // The decision is heard nevertheless.
  world.with_server([](Server& server, Now now) { server.accept(server.sessions().at(0).session, {}, now); });
  EXPECT_EQ(world.connected.size(), 1u);
}

TEST(Hostile, CredentialsLongerThanTheProtocolAllowsAreRefused) {
  World::Options options;
  options.seed = seed();
  World world(options);
  world.keep_sent = true;
  HandmadeClient client(world, client_settings("alice"), endpoint(1, 4000));
  client.shake_hands();
  Bytes message = client.key_message();
  const size_t peer_info = 2 + client_peer_info(client_settings("alice"), 0).size() + 1;
  auto password = message.end() - static_cast<std::ptrdiff_t>(peer_info + 2);  // two bytes of length, as the username
  const Bytes longer(kMaxCredential + 1, 'x');
  password = message.insert(password + 2, longer.begin(), longer.end());
  password[-2] = static_cast<uint8_t>(longer.size() >> 8);
  password[-1] = static_cast<uint8_t>(longer.size());
  client.say(message);
  EXPECT_TRUE(world.connected.empty());
  ASSERT_EQ(world.ended.size(), 1u);
  EXPECT_EQ(world.ended[0].text, "username or password longer than the protocol allows");
  EXPECT_EQ(client.heard(MessageKind::kAuthFailed), 1u);
}

/// Cookies: what must be refused. Each case changes one thing of a second packet that is accepted unchanged.
TEST(Hostile, CookiesHoldForOneClientAddressAndTime) {
  enum Change { kNothing, kPort, kAddress, kClientSession, kCookie, kLate, kAckId, kPacketId, kKeyId };
  for (Change change : {kNothing, kPort, kAddress, kClientSession, kCookie, kLate, kAckId, kPacketId, kKeyId}) {
    World::Options options;
    World world(options);
    world.keep_sent = true;
    abi::Endpoint from = endpoint(1, 1000);
    world.server_receives(from, craft(Opcode::kHardResetClientV2, 0, kClientId, {}, {}, 0, {}));
    ASSERT_EQ(world.server_sent.size(), 1u);
    SessionId cookie{};
    std::copy_n(world.server_sent[0].second.begin() + 1, 8, cookie.begin());
    SessionId sender = kClientId;
    if (change == kPort) ++from.port;
    if (change == kAddress) ++from.address.bytes[3];
    if (change == kClientSession) ++sender[0];
    if (change == kCookie) ++cookie[7];
    if (change == kLate) world.clock.run_for(91s);
    uint32_t ack = change == kAckId ? 2 : 0;
    uint32_t id = change == kPacketId ? 2 : 1;
    world.server_receives(from, craft(Opcode::kControl, change == kKeyId ? 1 : 0, sender, {ack}, cookie, id, {}));
    EXPECT_EQ(world.server->session_count(), change == kNothing ? 1u : 0u) << change;
    EXPECT_EQ(all_drops(world), change == kNothing ? 0u : 1u) << change;
  }
}

}  // namespace
}  // namespace culvert::sim
