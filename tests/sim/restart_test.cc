// Control or dataplane starts again, and renegotiations that fail: the session goes on.
#include <gtest/gtest.h>

#include "control/openvpn/key_files.h"
#include "dataplane/abi/endpoint_text.h"
#include "tests/sim/world.h"

namespace culvert::sim {
namespace {

using namespace openvpn;
using namespace std::chrono_literals;

struct Restart : ::testing::TestWithParam<WrapKind> {
  void start(Weather weather = {}) {
    World::Options options;
    options.seed = seed();
    options.weather = weather;
    options.server.reneg_sec = 100s;
    options.server.tran_window = 300s;
    ClientSettings settings = client_settings("alice");
    settings.reneg_sec = 0s;
    settings.tran_window = 300s;
    SeededRandom random(5);
    options.server.wrap.kind = settings.wrap.kind = GetParam();
    options.server.wrap.key = settings.wrap.key = make_static_key(random);
    if (GetParam() == WrapKind::kTlsCryptV2) {
      options.server.wrap.server_key = make_tls_crypt_v2_server_key(random);
      auto key = make_tls_crypt_v2_client_key(options.server.wrap.server_key, random, kEpoch);
      settings.wrap.key = (*key).key;
      settings.wrap.wrapped_client_key = (*key).wrapped;
    }
    world = std::make_unique<World>(options);
    peer = &world->add_client(settings, 1);
    world->start(*peer);
    ASSERT_TRUE(world->run_until([&] { return peer->engine->connected(); }, 60s));
    stream();
  }
  void stream() {
    if (!streams) return;
    world->exchange_data(*peer);
    world->clock.after(100ms, [this] { stream(); });
  }
  /// A new control that has renegotiated: nobody has sent with the new key, and of the one before it knows nothing.
  void restart_control_without_data() {
    streams = false;
    world->clock.run_for(1s);
    auto settings = world->server->settings();
    settings.adoption_spread = 1s;
    auto records = world->records;
    world->server = std::make_unique<Server>(settings, world->peer_ids, world->random);
    world->with_server([&](Server& server, Now now) {
      for (auto& [peer_id, record] : records) EXPECT_TRUE(server.adopt(peer_id, record, record.settings.remote, now));
    });
    ASSERT_TRUE(world->run_until([&] { return renegotiations() == 1; }, 3s));
    world->clock.run_for(1s);
  }
  /// Nobody has the keys any more.
  void restart_both(bool leaving = false) {
    auto records = world->records;
    world->worker = WorkerModel();
    world->server = std::make_unique<Server>(world->server->settings(), world->peer_ids, world->random);
    world->with_server([&](Server& server, Now now) {
      for (auto& [peer_id, record] : records) EXPECT_TRUE(server.adopt(peer_id, record, record.settings.remote, now));
      if (leaving) server.leave();
      server.reinstall([](void*, abi::SessionRef, uint8_t) { return std::optional<std::pair<uint64_t, uint64_t>>(); },
                       nullptr, now);
      server.replace_lost_keys(now);
    });
  }
  /// All keys that control has go on in it.
  void new_dataplane() {
    static constexpr uint64_t kFloor = (uint64_t{1} << abi::kEpochShift) + 65'000;
    world->worker = WorkerModel();
    world->with_server([](Server& server, Now now) {
      server.reinstall([](void*, abi::SessionRef, uint8_t) { return std::optional(std::pair(kFloor, kFloor)); },
                       nullptr, now);
      server.replace_lost_keys(now);
    });
  }
  uint64_t renegotiations() { return world->server->sessions().at(0).renegotiations; }
  void expect_nothing_lost() {
    EXPECT_EQ(peer->undecryptable, 0u);
    EXPECT_EQ(peer->own_undecryptable, 0u);
    EXPECT_EQ(world->worker.errors(), std::vector<std::string>());
    EXPECT_EQ(peer->worker.errors(), std::vector<std::string>());
    EXPECT_TRUE(peer->ended.empty());
  }
  std::unique_ptr<World> world;
  World::Peer* peer = nullptr;
  bool streams = true;
};

TEST_P(Restart, ControlAdoptsAndGoesOn) {
  start();
  for (int life = 0; life < 3; ++life) {
    world->clock.run_for(life == 1 ? 130s : 20s);  // before and after a renegotiation
    auto settings = world->server->settings();
    auto records = world->records;
    ASSERT_EQ(records.size(), 1u);
    world->server = std::make_unique<Server>(settings, world->peer_ids, world->random);
    world->with_server([&](Server& server, Now now) {
      for (auto& [peer_id, record] : records) EXPECT_TRUE(server.adopt(peer_id, record, record.settings.remote, now));
    });
    SessionInfo info = world->server->sessions().at(0);
    EXPECT_EQ(info.identity.common_name, "alice");
    EXPECT_TRUE(info.connected);
    ASSERT_TRUE(world->run_until([&] { return renegotiations() >= 1; }, 100s))
        << "the control channel comes back by itself";
  }
  world->clock.run_for(200s);
  expect_nothing_lost();
  world->with_client(*peer, [](Client& client, Now now) { EXPECT_TRUE(client.exit(now)); });
  EXPECT_TRUE(world->run_until([&] { return world->server->session_count() == 0; }, 20s));
  EXPECT_EQ(world->ended.back().reason, EndReason::kClientExit);
}

TEST_P(Restart, AControlKilledRightBehindASoftResetIsMadeUpFor) {
  start();
  world->clock.run_for(5s);
  world->with_client(*peer, [](Client& client, Now now) { client.renegotiate(now); });
  world->clock.run_for(50ms);  // both resets have arrived and are acknowledged; the client's TLS is under way
  auto records = world->records;
  world->server = std::make_unique<Server>(world->server->settings(), world->peer_ids, world->random);
  world->clock.run_for(1s);  // nobody is there: it is lost
  world->with_server([&](Server& server, Now now) {
    for (auto& [peer_id, record] : records) EXPECT_TRUE(server.adopt(peer_id, record, record.settings.remote, now));
  });
  EXPECT_TRUE(world->run_until([&] { return renegotiations() >= 1; }, 40s)) << "long before hand-window is over";
  world->clock.run_for(10s);
  expect_nothing_lost();
}

TEST_P(Restart, ALimitLastsAsLongAsItsSession) {
  start();
  const abi::SessionLimit limit{20'000'000, 0};
  auto installed = [this] { return world->worker.sessions().begin()->second.settings.limit; };
  EXPECT_EQ(installed(), abi::SessionLimit{});
  world->with_server([&](Server& server, Now now) {
    EXPECT_TRUE(server.limit(server.sessions().at(0).session, limit, now));
    abi::SessionRef gone = server.sessions().at(0).session;
    ++gone.generation;
    EXPECT_FALSE(server.limit(gone, {1, 1}, now));
  });
  EXPECT_EQ(installed(), limit);
  ASSERT_TRUE(world->run_until([&] { return renegotiations() >= 1; }, 150s));
  EXPECT_EQ(installed(), limit);

  auto records = world->records;
  world->server = std::make_unique<Server>(world->server->settings(), world->peer_ids, world->random);
  world->with_server([&](Server& server, Now now) {
    for (auto& [peer_id, record] : records) EXPECT_TRUE(server.adopt(peer_id, record, record.settings.remote, now));
  });
  EXPECT_EQ(world->server->sessions().at(0).limit, limit);

  world->worker = WorkerModel();  // a new dataplane: told everything again
  world->with_server([](Server& server, Now now) {
    auto progress = [](void*, abi::SessionRef, uint8_t) -> std::optional<std::pair<uint64_t, uint64_t>> { return {}; };
    server.reinstall(progress, nullptr, now);
  });
  ASSERT_EQ(world->worker.sessions().size(), 1u);
  EXPECT_EQ(installed(), limit);
  world->with_server(
      [](Server& server, Now now) { EXPECT_TRUE(server.limit(server.sessions().at(0).session, {}, now)); });
  EXPECT_EQ(installed(), abi::SessionLimit{});
}

TEST_P(Restart, WhatIsAdoptedRenegotiatesBeforeItsTokenExpires) {
  start();
  auto settings = world->server->settings();
  settings.adoption_spread = 2s;
  auto records = world->records;
  for (int life = 0; life < 20; ++life) {
    world->server = std::make_unique<Server>(settings, world->peer_ids, world->random);
    world->with_server([&](Server& server, Now now) {
      for (auto& [peer_id, record] : records) EXPECT_TRUE(server.adopt(peer_id, record, record.settings.remote, now));
    });
    ASSERT_TRUE(world->run_until([&] { return renegotiations() >= 1; }, 3s)) << "life " << life;
    world->clock.run_for(5s);
    records = world->records;
  }
  expect_nothing_lost();
}

TEST_P(Restart, ARecordOfSomebodyElseIsFoundOut) {
  for (bool by_username : {false, true}) {
    start();
    auto records = world->records;
    if (by_username)
      records.begin()->second.username[0] = 'b';
    else
      records.begin()->second.certificate_hash[0] ^= 1;
    world->server = std::make_unique<Server>(world->server->settings(), world->peer_ids, world->random);
    world->with_server([&](Server& server, Now now) {
      auto& record = records.begin()->second;
      EXPECT_TRUE(server.adopt(records.begin()->first, record, record.settings.remote, now));
    });
    ASSERT_TRUE(world->run_until([&] { return !world->ended.empty(); }, 150s)) << by_username;
    EXPECT_EQ(world->ended[0].reason, EndReason::kIdentityChanged);
    EXPECT_TRUE(world->run_until([&] { return !peer->ended.empty(); }, 30s));
    EXPECT_EQ(peer->ended[0].reason, EndReason::kAuthFailed);
  }
}

TEST_P(Restart, WhatControlHeardBeforeIsAReplayAfterIt) {
  if (GetParam() == WrapKind::kNone) GTEST_SKIP() << "nothing tells a replay";
  start();
  world->clock.run_for(5s);
  std::vector<uint8_t> heard;
  world->with_client(*peer, [&](Client& client, Now now) {
    client.renegotiate(now);
    for (Output& output : client.take_outputs())
      if (auto* packet = std::get_if<SendPacket>(&output)) heard = packet->bytes;
  });
  world->server_receives(peer->address, heard);
  const auto [id, record] = *world->records.begin();
  world->server = std::make_unique<Server>(world->server->settings(), world->peer_ids, world->random);
  world->with_server([&, id = id, &record = record](Server& server, Now now) {
    ASSERT_TRUE(server.adopt(id, record, record.settings.remote, now));
  });
  world->server_receives(peer->address, heard);
  EXPECT_EQ(world->server->tally().drops[static_cast<size_t>(abi::DropReason::control_wrap_replay)], 1u);
  EXPECT_NE(record.wrap_send_id, 0u) << "and ours go on behind those that were used";
}

TEST_P(Restart, BadRecordsAreNotAdopted) {
  start();
  abi::ControlRecord good = world->records.begin()->second;
  uint32_t id = world->records.begin()->first;
  abi::Endpoint remote = good.settings.remote;
  auto adopts = [&](auto change) {
    Server server(world->server->settings(), world->peer_ids, world->random);
    abi::ControlRecord record = good;
    abi::Endpoint at = remote;
    change(record, at);
    return server.adopt(id, record, at, world->clock.now());
  };
  EXPECT_TRUE(adopts([](auto&, auto&) {}));
  EXPECT_FALSE(adopts([](auto& record, auto&) { record.state = abi::RecordState::kFree; }));
  EXPECT_FALSE(adopts([](auto& record, auto&) { record.generation = 0; }));
  EXPECT_FALSE(adopts([](auto& record, auto&) { record.current_key_id = 8; }));
  EXPECT_FALSE(adopts([](auto& record, auto&) { record.local_session_id = {}; }));
  EXPECT_FALSE(adopts([](auto& record, auto&) { record.remote_session_id = {}; }));
  EXPECT_FALSE(adopts([](auto& record, auto&) { record.cipher = abi::Cipher{99}; }));
  EXPECT_FALSE(adopts([](auto& record, auto&) { record.digest = abi::Digest::kSha256; })) << "an AEAD has none";
  EXPECT_FALSE(adopts([](auto& record, auto&) { record.cipher = abi::Cipher::kAes256Cbc; })) << "CBC needs one";
  EXPECT_FALSE(adopts([](auto&, auto& at) { at = {}; }));
  EXPECT_FALSE(world->server->adopt(id, good, remote, world->clock.now())) << "that peer-id is taken";
}

TEST_P(Restart, DataplaneComesBackWithPacketIdsPastTheReserved) {
  start();
  world->clock.run_for(20s);
  world->worker = WorkerModel();
  static constexpr uint64_t kEpoch1 = uint64_t{1} << abi::kEpochShift;
  world->with_server([](Server& server, Now now) {
    server.reinstall(
        [](void*, abi::SessionRef, uint8_t) { return std::optional(std::pair(kEpoch1 + 70000, kEpoch1 + 65000)); },
        nullptr, now);
  });
  ASSERT_EQ(world->worker.sessions().size(), 1u);
  auto& key = world->worker.sessions().begin()->second.keys.at(0);
  EXPECT_EQ(key.install.first_packet_id, kEpoch1 + 70000);
  EXPECT_EQ(key.install.replay_floor, kEpoch1 + 65000);
  world->clock.run_for(300s);
  expect_nothing_lost();
}

TEST_P(Restart, DataplaneAndControlGoneBothRekeysAtOnce) {
  start();
  world->clock.run_for(20s);
  restart_both();
  uint32_t id = world->records.begin()->first;
  EXPECT_TRUE(world->worker.sessions().at(id).keys.empty()) << "keys that are not known are not made up";
  ASSERT_TRUE(world->run_until([&] { return world->worker.sessions().at(id).sending.has_value(); }, 5s));
  const uint64_t before = peer->received;
  const uint64_t own_before = peer->own_received;
  world->clock.run_for(10s);
  EXPECT_GT(peer->received, before + 80);
  EXPECT_GT(peer->own_received, own_before + 80);
}

TEST_P(Restart, DataplaneAndControlGoneAQuietClientNegotiatesTwice) {
  start();
  streams = false;
  restart_both();
  ASSERT_TRUE(world->run_until([&] { return renegotiations() == 2; }, 5s)) << "or it could go on with the lost key";
  world->clock.run_for(30s);
  EXPECT_EQ(renegotiations(), 2u);
}

TEST_P(Restart, TheKeyThatAClientMayGoOnWithIsRenewedWhenAsked) {
  start();
  restart_control_without_data();
  EXPECT_EQ(world->server->census(world->clock.now()).without_keys, 1u)
      << "the client has the new key, and need not send with it yet";
  auto renew = [this] { world->with_server([](Server& server, Now now) { server.renew_keys(now); }); };
  renew();
  ASSERT_TRUE(world->run_until([&] { return renegotiations() == 2; }, 3s));
  EXPECT_EQ(world->server->census(world->clock.now()).without_keys, 0u);
  renew();
  world->clock.run_for(10s);
  EXPECT_EQ(renegotiations(), 2u) << "once all is known there is nothing to renew";
  expect_nothing_lost();
}

TEST_P(Restart, AClientIsTakenOffAKeyThatWentWithTheDataplane) {
  start();
  restart_control_without_data();
  new_dataplane();
  ASSERT_TRUE(world->run_until([&] { return renegotiations() == 2; }, 2s)) << "not when the client does so by itself";
  streams = true;
  stream();
  world->clock.run_for(10s);
  expect_nothing_lost();
}

TEST_P(Restart, AClientThatHasLongLeftTheLostKeyIsLeftAlone) {
  start();
  restart_control_without_data();
  world->clock.run_for(60s);
  EXPECT_EQ(world->server->census(world->clock.now()).without_keys, 0u);
  new_dataplane();
  world->clock.run_for(20s);
  EXPECT_EQ(renegotiations(), 1u);
  streams = true;
  stream();
  world->clock.run_for(10s);
  expect_nothing_lost();
}

TEST_P(Restart, AControlThatLeavesReplacesLostKeysFirst) {
  start();
  streams = false;
  restart_both(true);
  const auto unfinished = [this] { return world->server->unfinished(world->clock.now()).renegotiations; };
  EXPECT_EQ(unfinished(), 1u) << "it is waited for that";
  ASSERT_TRUE(world->run_until([&] { return renegotiations() == 2; }, 5s));
  EXPECT_EQ(unfinished(), 0u);
}

TEST_P(Restart, AFailedRenegotiationCostsNothing) {
  start();
  world->wire.weather.loss = 1;  // for control and data alike; the keys must be there when it is over
  world->with_client(*peer, [](Client& client, Now now) { client.renegotiate(now); });
  world->clock.run_for(61s);
  world->wire.weather.loss = 0;
  world->clock.run_for(60s);
  EXPECT_EQ(world->server->session_count(), 1u);
  ASSERT_TRUE(world->run_until([&] { return renegotiations() >= 1; }, 100s));
  world->clock.run_for(300s);  // the key's time is not over in the midst of the next one's
  expect_nothing_lost();
  EXPECT_TRUE(world->ended.empty());
}

/// Wherever in the middle the path breaks, and whichever end is the more patient one.
TEST_P(Restart, ARenegotiationThatOneEndGaveUpLeavesNoKeyBehind) {
  for (bool patient_server : {true, false}) {
    for (auto broken_after = 10ms; broken_after < 200ms; broken_after += 20ms) {
      start();
      ServerSettings settings = world->server->settings();
      settings.reneg_sec = 0s;
      settings.hand_window = patient_server ? 100s : 20s;
      world->server->set_settings(settings);
      world->clock.run_for(5s);
      world->with_client(*peer, [](Client& client, Now now) { client.renegotiate(now); });
      world->clock.run_for(broken_after);
      world->wire.weather.loss = 1;
      world->clock.run_for(70s);  // the client gave up after 60, and begins anew after 90
      world->wire.weather.loss = 0;
      ASSERT_TRUE(world->run_until([&] { return renegotiations() >= 1; }, 200s)) << broken_after.count();
      world->clock.run_for(30s);
      EXPECT_EQ(peer->undecryptable, 0u) << "under a key that the client gave up";
      EXPECT_TRUE(peer->ended.empty());
      EXPECT_TRUE(world->ended.empty());
      EXPECT_EQ(world->worker.errors(), std::vector<std::string>());
    }
  }
}

TEST_P(Restart, WithoutAnyRenegotiationTheKeysTimeEnds) {
  start();
  world->clients.at(1)->address =
      endpoint(2, 2);  // its packets still come, ours never arrive, and none is acknowledged
  world->clock.run_for(800s);
  ASSERT_EQ(world->ended.size(), 1u);
  EXPECT_EQ(world->ended[0].reason, EndReason::kLimit);
}

TEST_P(Restart, BothProcessesComeBackAndPeerIdsAndNetworksStay) {
  start();
  World::Peer& bob = world->add_client(
      [&] {
        ClientSettings settings = client_settings("bob");
        settings.wrap = world->server->settings().wrap;
        if (GetParam() == WrapKind::kTlsCryptV2) {
          SeededRandom random(6);
          auto key = make_tls_crypt_v2_client_key(settings.wrap.server_key, random, kEpoch);
          settings.wrap.key = (*key).key;
          settings.wrap.wrapped_client_key = (*key).wrapped;
        }
        return settings;
      }(),
      2);
  world->start(bob);
  ASSERT_TRUE(world->run_until([&] { return bob.engine->connected(); }, 60s));
  const uint32_t id = *world->peer_id_of(bob);
  const abi::ControlRecord record = world->records.at(id);
  ASSERT_NE(id, 0u) << "what bob chose for himself";
  EXPECT_EQ(record.settings.remote_peer_id, 0u);
  const abi::InnerPrefix lost{.address = abi::ipv4({10, 1, 0, 0}), .length = 16};
  const abi::InnerPrefix kept{.address = abi::ipv4({10, 1, 0, 0}), .length = 24};
  world->worker = WorkerModel();
  world->server = std::make_unique<Server>(world->server->settings(), world->peer_ids, world->random);
  world->with_server([&](Server& server, Now now) {
    ASSERT_TRUE(server.adopt(id, record, record.settings.remote, now, {lost, kept}));
    server.lose_network({id, record.generation}, lost);
    server.reinstall([](void*, abi::SessionRef, uint8_t) { return std::optional<std::pair<uint64_t, uint64_t>>(); },
                     nullptr, now);
    const auto routes = server.sessions().at(0).grant.routes;
    ASSERT_EQ(routes.size(), 1u);
    EXPECT_EQ(routes[0].length, kept.length);
  });
  EXPECT_EQ(world->worker.sessions().at(id).settings.remote_peer_id, 0u);
}

INSTANTIATE_TEST_SUITE_P(Wraps, Restart,
                         ::testing::Values(WrapKind::kNone, WrapKind::kTlsCrypt, WrapKind::kTlsCryptV2));

}  // namespace
}  // namespace culvert::sim
