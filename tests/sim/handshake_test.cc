// Handshakes of client and server engines over a good wire and a bad one, for every wrap and TLS version.
#include <gtest/gtest.h>

#include "control/openvpn/key_files.h"
#include "tests/sim/world.h"

namespace culvert::sim {
namespace {

using namespace openvpn;
using namespace std::chrono_literals;

void set_wrap(WrapKind kind, ServerSettings& server, ClientSettings& client) {
  SeededRandom random(7);
  server.wrap.kind = client.wrap.kind = kind;
  if (kind == WrapKind::kTlsCryptV2) {
    server.wrap.server_key = make_tls_crypt_v2_server_key(random);
    auto file = make_tls_crypt_v2_client_key(server.wrap.server_key, random, kEpoch);
    ASSERT_TRUE(file) << file.error();
    client.wrap.key = (*file).key;
    client.wrap.wrapped_client_key = (*file).wrapped;
  } else if (kind != WrapKind::kNone) {
    server.wrap.key = client.wrap.key = make_static_key(random);
    if (kind == WrapKind::kTlsAuth) {
      server.wrap.direction = 0;
      client.wrap.direction = 1;
    }
  }
}

class Handshake : public ::testing::TestWithParam<std::tuple<WrapKind, crypto::TlsVersion, bool>> {};

TEST_P(Handshake, ConnectsRenegotiatesAndLeaves) {
  auto [kind, tls, bad_weather] = GetParam();
  World::Options options;
  options.seed = seed() + static_cast<uint64_t>(kind) * 4 + static_cast<uint64_t>(tls);
  // Without a wrap nothing but TLS notices a flipped bit, and TLS ends the connection.
  if (bad_weather) options.weather = {0.1, 0.1, 0.2, kind == WrapKind::kNone ? 0 : 0.02};
  options.server.tls = authority().server(tls);
  ClientSettings settings = client_settings("alice");
  settings.tls = authority().client("alice", tls);
  settings.reneg_sec = 0s;
  options.server.reneg_sec = 0s;
  set_wrap(kind, options.server, settings);
  World world(options);
  World::Peer& peer = world.add_client(settings, 1);
  world.start(peer);
  ASSERT_TRUE(world.run_until([&] { return peer.engine->connected(); }, 60s));
  ASSERT_EQ(world.connected.size(), 1u);
  SessionInfo info = world.server->sessions().at(0);
  EXPECT_EQ(info.identity.common_name, "alice");
  EXPECT_EQ(info.identity.tls_version, tls == crypto::TlsVersion::kTls13 ? "TLSv1.3" : "TLSv1.2");
  EXPECT_TRUE(info.tls_key_export);
  EXPECT_TRUE(info.dynamic_tls_crypt);
  world.exchange_data(peer);
  world.clock.run_for(5s);

  world.with_client(peer, [](Client& client, Now now) { client.renegotiate(now); });
  ASSERT_TRUE(world.run_until([&] { return world.server->sessions().at(0).renegotiations == 1; }, 60s));
  world.with_server([](Server& server, Now now) {
    abi::Event event{};
    event.kind = abi::EventKind::kKeyNearLimit;
    event.key_id = 1;
    event.session = server.sessions().at(0).session;
    server.on_event(event, now);
  });
  ASSERT_TRUE(world.run_until([&] { return world.server->sessions().at(0).renegotiations == 2; }, 60s));
  world.clock.run_for(70s);
  for (int i = 0; i < 20; ++i) world.exchange_data(peer);
  world.clock.run_for(5s);
  EXPECT_EQ(peer.undecryptable, 0u);
  EXPECT_EQ(peer.own_undecryptable, 0u);
  EXPECT_GT(peer.received, 0u);
  EXPECT_GT(peer.own_received, 0u);
  EXPECT_EQ(world.server->sessions().at(0).key_id, 2);

  world.with_client(peer, [](Client& client, Now now) { EXPECT_TRUE(client.exit(now)); });
  ASSERT_TRUE(world.run_until([&] { return world.server->session_count() == 0; }, 60s));
  EXPECT_EQ(world.ended.at(0).reason, EndReason::kClientExit);
  EXPECT_EQ(world.peer_ids.taken(), 0u);
  EXPECT_FALSE(world.peer_ids.misused());
  EXPECT_EQ(world.worker.errors(), std::vector<std::string>());
  EXPECT_EQ(peer.worker.errors(), std::vector<std::string>());
  EXPECT_TRUE(world.records.empty());
  EXPECT_TRUE(world.worker.sessions().empty());
}

INSTANTIATE_TEST_SUITE_P(All, Handshake,
                         ::testing::Combine(::testing::Values(WrapKind::kNone, WrapKind::kTlsAuth, WrapKind::kTlsCrypt,
                                                              WrapKind::kTlsCryptV2),
                                            ::testing::Values(crypto::TlsVersion::kTls12, crypto::TlsVersion::kTls13),
                                            ::testing::Bool()));

}  // namespace
}  // namespace culvert::sim
