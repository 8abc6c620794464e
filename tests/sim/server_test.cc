// What the server engine does about its clients: who gets in, who is told what, and what ends a session.
#include <gtest/gtest.h>

#include "control/openvpn/key_files.h"
#include "control/openvpn/negotiate.h"
#include "tests/sim/world.h"

namespace culvert::sim {
namespace {

using namespace openvpn;
using namespace std::chrono_literals;

struct ServerTest : ::testing::Test {
  World::Options options;
  std::unique_ptr<World> world;

  World& make() {
    options.seed = seed();
    world = std::make_unique<World>(options);
    return *world;
  }
  World::Peer& connect(const std::string& name, uint32_t host) {
    World::Peer& peer = world->add_client(client_settings(name), host);
    world->start(peer);
    EXPECT_TRUE(world->run_until([&] { return peer.engine->connected(); }, 60s)) << name;
    return peer;
  }
  /// Starts a client and waits until both sides have forgotten it.
  SessionEnded expect_failure(ClientSettings settings) {
    World::Peer& peer = world->add_client(std::move(settings), 77);
    world->start(peer);
    EXPECT_TRUE(world->run_until([&] { return !world->ended.empty() && !peer.ended.empty(); }, 200s));
    EXPECT_FALSE(peer.engine->connected());
    EXPECT_EQ(world->server->session_count(), 0u);
    EXPECT_EQ(world->peer_ids.taken(), 0u);
    EXPECT_TRUE(world->worker.sessions().empty());
    EXPECT_TRUE(world->connected.empty());
    EXPECT_EQ(world->server->tally().counters[static_cast<size_t>(abi::Counter::handshakes_failed)], 1u);
    return world->ended.empty() ? SessionEnded{} : world->ended.front();
  }
  abi::Event event(abi::EventKind kind, uint32_t peer_id) {
    abi::Event out{};
    out.kind = kind;
    out.session = world->server->sessions().at(0).session;
    out.session.peer_id = peer_id;
    return out;
  }
  void send_event(const abi::Event& what) {
    world->with_server([&](Server& server, Now now) { server.on_event(what, now); });
  }
};

TEST_F(ServerTest, OlderClientsUseThePrfAndDataV1) {
  for (uint32_t capabilities : {0u, iv_proto::kDataV2, iv_proto::kDataV2 | iv_proto::kTlsKeyExport}) {
    make();
    ClientSettings settings = client_settings("old");
    settings.capabilities = capabilities;
    World::Peer& peer = world->add_client(settings, 1);
    world->start(peer);
    ASSERT_TRUE(world->run_until([&] { return peer.engine->connected(); }, 60s));
    world->with_client(peer, [](Client& client, Now now) { client.renegotiate(now); });
    ASSERT_TRUE(world->run_until([&] { return world->server->sessions()[0].renegotiations == 1; }, 60s));
    const auto& installed = world->worker.sessions().begin()->second;
    EXPECT_EQ(installed.settings.format,
              capabilities & iv_proto::kDataV2 ? abi::DataFormat::kV2 : abi::DataFormat::kV1);
    EXPECT_EQ(world->server->sessions()[0].tls_key_export, (capabilities & iv_proto::kTlsKeyExport) != 0);
    // Both sides derived the same keys.
    for (auto& [id, key] : installed.keys)
      EXPECT_EQ(key.install.send.key, peer.worker.sessions().at(0).keys.at(id).install.receive.key);
  }
}

TEST_F(ServerTest, ARefusedClientHearsWhyThroughBadWeather) {
  options.weather = {0.2, 0.1, 0.2, 0};
  make().decide = [](Server& server, const ConnectRequest& request, Now now) {
    server.refuse(request.session, "not today", "test says no", now);
  };
  SessionEnded end = expect_failure(client_settings("alice"));
  EXPECT_EQ(end.reason, EndReason::kAuthFailed);
  EXPECT_EQ(end.text, "test says no");
  EXPECT_EQ(end.common_name, "alice");
  EXPECT_NE(world->clients.at(77)->ended.at(0).text.find("not today"), std::string::npos);
}

TEST_F(ServerTest, ForeignCaIsRefusedWithReason) {
  make();
  Authority foreign;
  ClientSettings settings = client_settings("alice");
  settings.tls = foreign.client("mallory");
  // The server's certificate is foreign to that client as well; let it accept that to see the server's judgement.
  crypto::TlsSettings trusting;
  trusting.role = crypto::TlsRole::kClient;
  crypto::Identity identity = foreign.issue("mallory", crypto::CertificateUse::kClient);
  trusting.ca_pem = authority().certificate();
  trusting.certificate_pem = identity.certificate_pem;
  trusting.key_pem = identity.key_pem;
  settings.tls = *crypto::TlsContext::make(trusting);
  SessionEnded end = expect_failure(settings);
  EXPECT_EQ(end.reason, EndReason::kTlsFailed);
  EXPECT_FALSE(end.text.empty());
}

TEST_F(ServerTest, ExpiredAndWrongUsageCertificatesAreRefused) {
  struct Case {
    crypto::Identity identity;
    const char* expected;
  };
  for (const Case& c : {Case{authority().issue("old", crypto::CertificateUse::kClient, -1h), "expired"},
                        Case{authority().issue("server2", crypto::CertificateUse::kServer), ""}}) {
    make();
    ClientSettings settings = client_settings("alice");
    settings.tls = authority().context(crypto::TlsRole::kClient, c.identity);
    SessionEnded end = expect_failure(settings);
    EXPECT_EQ(end.reason, EndReason::kTlsFailed);
    EXPECT_NE(end.text.find(c.expected), std::string::npos) << end.text;
  }
}

TEST_F(ServerTest, NoCommonCipherIsToldToBothSides) {
  options.server.data_ciphers = {abi::Cipher::kAes256Gcm};
  make();
  ClientSettings settings = client_settings("alice");
  settings.data_ciphers = {abi::Cipher::kChacha20Poly1305};
  SessionEnded end = expect_failure(settings);
  EXPECT_NE(end.text.find("AES-256-GCM"), std::string::npos);
  EXPECT_NE(world->clients.at(77)->ended.at(0).text.find("cipher"), std::string::npos);
}

TEST_F(ServerTest, AClientThatFallsSilentCostsNothingAfterTheHandWindow) {
  make();
  World::Peer& peer = world->add_client(client_settings("alice"), 1);
  world->start(peer);
  ASSERT_TRUE(world->run_until([&] { return world->server->session_count() == 1; }, 10s));
  world->vanish(peer);
  world->clock.run_for(59s);
  EXPECT_EQ(world->server->session_count(), 1u);
  world->clock.run_for(3s);
  EXPECT_EQ(world->server->session_count(), 0u);
  EXPECT_EQ(world->ended.at(0).reason, EndReason::kHandshakeTimeout);
  world->clock.run_for(10s);
  EXPECT_FALSE(world->server->next_deadline()) << "nothing is left to do";
}

TEST_F(ServerTest, AnUndecidedClientGetsNothing) {
  make().decide = nullptr;
  World::Peer& peer = world->add_client(client_settings("alice"), 1);
  world->start(peer);
  world->clock.run_for(30s);
  EXPECT_EQ(world->server->session_count(), 1u);
  EXPECT_TRUE(world->worker.sessions().empty());
  EXPECT_FALSE(peer.engine->connected());
  // A decision that comes late is as good.
  world->with_server([](Server& server, Now now) { server.accept(server.sessions()[0].session, {}, now); });
  EXPECT_TRUE(world->run_until([&] { return peer.engine->connected(); }, 10s));
}

TEST_F(ServerTest, ASecondConnectOfACommonNameEndsTheFirst) {
  make();
  connect("alice", 1);
  connect("alice", 2);
  EXPECT_EQ(world->server->session_count(), 1u);
  ASSERT_EQ(world->ended.size(), 1u);
  EXPECT_EQ(world->ended[0].reason, EndReason::kClientRestarted);
  EXPECT_EQ(world->worker.sessions().size(), 1u);
  EXPECT_EQ(world->server->sessions()[0].remote, endpoint(2, 40000));
}

TEST_F(ServerTest, DuplicateCnAllowsBoth) {
  options.server.duplicate_cn = true;
  make();
  connect("alice", 1);
  connect("alice", 2);
  EXPECT_EQ(world->server->session_count(), 2u);
}

TEST_F(ServerTest, AReconnectReplacesTheSessionOnlyAfterItProvedItself) {
  make();
  World::Peer& first = connect("alice", 1);
  uint32_t old_peer_id = *world->peer_id_of(first);
  world->vanish(first);
  // Somebody with a bad certificate at the same address changes nothing.
  ClientSettings bad = client_settings("alice");
  bad.tls = authority().context(crypto::TlsRole::kClient, authority().issue("x", crypto::CertificateUse::kClient, -1h));
  World::Peer& mallory = world->add_client(bad, 1);
  world->start(mallory);
  ASSERT_TRUE(world->run_until([&] { return !world->ended.empty(); }, 100s));
  EXPECT_EQ(world->ended[0].reason, EndReason::kTlsFailed);
  EXPECT_TRUE(world->worker.sessions().contains(old_peer_id));
  world->vanish(mallory);
  // The client itself, back again.
  connect("alice", 1);
  ASSERT_EQ(world->ended.size(), 2u);
  EXPECT_EQ(world->ended[1].reason, EndReason::kClientRestarted);
  ASSERT_TRUE(world->worker.sessions().contains(old_peer_id)) << "a stock client goes on with its first peer-id";
  EXPECT_EQ(world->worker.sessions().at(old_peer_id).generation, 2u);
  EXPECT_EQ(world->worker.sessions().size(), 1u);
  EXPECT_EQ(world->server->session_count(), 1u);
  EXPECT_EQ(world->peer_ids.taken(), 1u);
  EXPECT_FALSE(world->peer_ids.misused());
  // Somebody else at that address gets another one.
  world->vanish(*world->clients.at(1));
  connect("bob", 1);
  EXPECT_EQ(world->server->session_count(), 1u);
  EXPECT_FALSE(world->worker.sessions().contains(old_peer_id));
}

TEST_F(ServerTest, WithoutACertificateTheUsernameSaysWhoGoesOnOnceItsPasswordIsJudged) {
  options.server.tls = authority().server(crypto::TlsVersion::kTls13, false);
  make();
  std::optional<Server::Place> place;
  bool judged = true;
  auto accept_later = std::exchange(world->decide, nullptr);
  std::optional<ConnectRequest> waiting;
  world->decide = [&](Server& engine, const ConnectRequest& request, Now now) {
    waiting = request;
    if (!judged) return;
    place = engine.take_place(request.session, now);
    if (place) waiting->session = place->own;
    accept_later(engine, *waiting, now);
  };
  auto log_in = [&](const std::string& name, bool own_peer_id = false) -> World::Peer& {
    ClientSettings settings = client_settings(name);
    settings.tls = authority().context(crypto::TlsRole::kClient, {});
    settings.username = name;
    settings.password = "secret";
    settings.own_peer_id = own_peer_id;
    World::Peer& peer = world->add_client(settings, 1);
    world->start(peer);
    EXPECT_TRUE(world->run_until([&] { return judged ? peer.engine->connected() : waiting.has_value(); }, 60s)) << name;
    return peer;
  };
  World::Peer& first = log_in("alice");
  EXPECT_FALSE(place);
  const uint32_t number = *world->peer_id_of(first);
  world->vanish(first);
  // Whoever says to be her has her place only when that is proved.
  judged = false;
  waiting.reset();
  World::Peer& undecided = log_in("alice");
  EXPECT_TRUE(world->ended.empty());
  EXPECT_TRUE(world->worker.sessions().contains(number));
  world->vanish(undecided);
  judged = true;
  World::Peer& again = log_in("alice");
  ASSERT_TRUE(place);
  EXPECT_EQ(place->older, (abi::SessionRef{number, 1}));
  EXPECT_EQ(place->own, (abi::SessionRef{number, 2}));
  EXPECT_EQ(world->peer_id_of(again), number);
  ASSERT_TRUE(world->worker.sessions().contains(number));
  EXPECT_EQ(world->worker.sessions().at(number).generation, 2u);
  EXPECT_FALSE(world->peer_ids.misused());
  // Somebody else at that address takes her place, and another number.
  world->vanish(again);
  World::Peer& bob = log_in("bob");
  EXPECT_FALSE(place);
  EXPECT_NE(world->peer_id_of(bob), number);
  // A client since 2.7 has been told its number before the password is judged.
  world->vanish(bob);
  World::Peer& newer = log_in("bob", true);
  EXPECT_FALSE(place);
  EXPECT_TRUE(newer.engine->connected());
}

TEST_F(ServerTest, GoodbyesArriveThroughBadWeather) {
  struct Case {
    Goodbye goodbye;
    EndReason heard;
  };
  for (Case c : {Case{Goodbye::kHalt, EndReason::kKilled}, Case{Goodbye::kRestart, EndReason::kServerStopping},
                 Case{Goodbye::kAuthFailed, EndReason::kAuthFailed}}) {
    options.weather = {0.2, 0.1, 0.2, 0};
    make();
    World::Peer& peer = connect("alice", 1);
    world->with_server([&](Server& server, Now now) {
      server.disconnect(server.sessions()[0].session, c.goodbye, EndReason::kKilled, "operator", now);
    });
    EXPECT_TRUE(world->worker.sessions().empty()) << "the dataplane forgets the session at once";
    EXPECT_EQ(world->server->session_count(), 0u);
    ASSERT_TRUE(world->run_until([&] { return !peer.ended.empty(); }, 60s));
    EXPECT_EQ(peer.ended[0].reason, c.heard);
    world->clock.run_for(70s);
    EXPECT_FALSE(world->server->next_deadline());
  }
}

TEST_F(ServerTest, AGoodbyeDuringARenegotiationArrives) {
  make();
  World::Peer& peer = connect("alice", 1);
  world->clock.run_for(2s);
  world->with_client(peer, [](Client& client, Now now) { client.renegotiate(now); });
  world->clock.run_for(30ms);
  world->with_server([](Server& server, Now now) {
    server.disconnect(server.sessions()[0].session, Goodbye::kHalt, EndReason::kKilled, "operator", now);
  });
  EXPECT_TRUE(world->run_until([&] { return !peer.ended.empty(); }, 30s));
  EXPECT_EQ(world->worker.errors(), std::vector<std::string>());
}

TEST_F(ServerTest, EventsOfTheDataplane) {
  struct Case {
    abi::EventKind kind;
    EndReason reason;
  };
  for (Case c : {Case{abi::EventKind::kPeerExit, EndReason::kClientExit},
                 Case{abi::EventKind::kPeerTimeout, EndReason::kPingTimeout}}) {
    make();
    uint32_t id = *world->peer_id_of(connect("alice", 1));
    abi::Event stale = event(c.kind, id);
    --stale.session.generation;
    send_event(stale);
    EXPECT_EQ(world->server->session_count(), 1u) << "an event of an earlier life does nothing";
    send_event(event(c.kind, id));
    ASSERT_EQ(world->ended.size(), 1u);
    EXPECT_EQ(world->ended[0].reason, c.reason);
    EXPECT_TRUE(world->records.empty());
  }
}

/// Else the next control would count lives from the beginning, and take events of the old ones for its own.
TEST_F(ServerTest, TheRecordOfASessionThatEndedSaysWhichLifeItWas) {
  make();
  connect("alice", 1);
  world->with_server([](Server& server, Now now) {
    const abi::SessionRef session = server.sessions()[0].session;
    server.disconnect(session, Goodbye::kSilent, EndReason::kKilled, "operator", now);
    std::optional<abi::ControlRecord> left;
    for (Output& output : server.take_outputs())
      if (auto* commit = std::get_if<CommitRecord>(&output)) left = commit->record;
    ASSERT_TRUE(left);
    EXPECT_EQ(left->state, abi::RecordState::kFree);
    EXPECT_EQ(left->generation, session.generation);
  });
}

TEST_F(ServerTest, ASessionThatTheDataplaneDoesNotTakeEnds) {
  for (abi::CommandKind refused :
       {abi::CommandKind::kInstallSession, abi::CommandKind::kInstallKey, abi::CommandKind::kAddRoute}) {
    make();
    abi::Event what = event(abi::EventKind::kCommandRefused, *world->peer_id_of(connect("alice", 1)));
    what.detail = static_cast<uint16_t>(refused);
    send_event(what);
    if (refused == abi::CommandKind::kAddRoute) {
      EXPECT_TRUE(world->ended.empty());
    } else {
      ASSERT_EQ(world->ended.size(), 1u) << int(refused);
      EXPECT_EQ(world->ended[0].reason, EndReason::kProtocolError);
    }
  }
}

TEST_F(ServerTest, ANewConfigurationCountsForTheNextFirstPacket) {
  make();
  ServerSettings settings = world->server->settings();
  SeededRandom random(5);
  settings.wrap.kind = WrapKind::kTlsCrypt;
  settings.wrap.key = make_static_key(random);
  world->server->set_settings(settings);
  ClientSettings with_key = client_settings("alice");
  with_key.wrap = settings.wrap;
  World::Peer& alice = world->add_client(with_key, 1);
  World::Peer& bob = world->add_client(client_settings("bob"), 2);
  world->start(alice);
  world->start(bob);
  EXPECT_TRUE(world->run_until([&] { return alice.engine->connected(); }, 30s));
  EXPECT_FALSE(bob.engine->connected());
}

TEST_F(ServerTest, OnlyTheNewestKeyIsRenewedAtItsLimit) {
  make();
  World::Peer& peer = connect("alice", 1);
  world->clock.run_for(2s);
  world->with_client(peer, [](Client& client, Now now) { client.renegotiate(now); });
  auto renegotiations = [&] { return world->server->sessions()[0].renegotiations; };
  ASSERT_TRUE(world->run_until([&] { return renegotiations() == 1; }, 20s));
  abi::Event limit = event(abi::EventKind::kKeyNearLimit, *world->peer_id_of(peer));
  limit.key_id = 0;
  send_event(limit);
  EXPECT_FALSE(world->run_until([&] { return renegotiations() == 2; }, 20s)) << "that key goes anyway";
  limit.key_id = 1;
  send_event(limit);
  EXPECT_TRUE(world->run_until([&] { return renegotiations() == 2; }, 20s));
}

TEST_F(ServerTest, TheDataplaneIsToldWhatIsConfigured) {
  options.server.tun_mtu = 1400;
  options.server.mssfix = 1300;
  options.server.replay_window = 256;
  options.server.ping = 7s;
  options.server.ping_restart = 33s;
  options.server.client_to_client = true;
  options.server.may_float = false;
  make();
  connect("alice", 1);
  const abi::InstallSession& installed = world->worker.sessions().begin()->second.settings;
  EXPECT_EQ(installed.tun_mtu, 1400);
  EXPECT_EQ(installed.mss_limit, 1300);
  EXPECT_EQ(installed.replay_window, 256u);
  EXPECT_EQ(installed.ping_interval, 7);
  EXPECT_EQ(installed.ping_timeout, 33);
  EXPECT_EQ(installed.flags, abi::session_flag::kClientToClient);
}

TEST_F(ServerTest, AFloatTakesTheControlChannelAlong) {
  make();
  World::Peer& peer = connect("alice", 1);
  world->clock.run_for(2s);
  peer.address = endpoint(9, 50000);
  abi::Event floated = event(abi::EventKind::kFloated, *world->peer_id_of(peer));
  floated.endpoint = peer.address;
  floated.local = endpoint(250, 1194);
  floated.port = 3;
  send_event(floated);
  EXPECT_EQ(world->server->sessions()[0].remote, peer.address);
  EXPECT_EQ(world->records.begin()->second.settings.remote, peer.address);
  EXPECT_EQ(world->records.begin()->second.settings.local, floated.local);
  EXPECT_EQ(world->records.begin()->second.settings.port, floated.port);
  world->with_client(peer, [](Client& client, Now now) { client.renegotiate(now); });
  EXPECT_TRUE(world->run_until([&] { return world->server->sessions()[0].renegotiations == 1; }, 20s));
  // Not across transports.
  floated.endpoint.transport = abi::Transport::kTcp;
  send_event(floated);
  EXPECT_EQ(world->server->sessions()[0].remote, peer.address);
}

TEST_F(ServerTest, MaxClientsCountsHalfOpenOnes) {
  options.server.max_clients = 2;
  make().decide = nullptr;
  for (uint32_t host = 1; host <= 4; ++host)
    world->start(world->add_client(client_settings("c" + std::to_string(host)), host));
  world->clock.run_for(5s);
  EXPECT_EQ(world->server->session_count(), 2u);
  EXPECT_GT(world->server->tally().drops[static_cast<size_t>(abi::DropReason::control_server_full)], 0u);
}

TEST_F(ServerTest, StopTellsEverybody) {
  make();
  World::Peer& a = connect("alice", 1);
  World::Peer& b = connect("bob", 2);
  world->with_server([](Server& server, Now now) { server.stop(Goodbye::kRestart, now); });
  EXPECT_EQ(world->server->session_count(), 0u);
  EXPECT_TRUE(world->run_until([&] { return !a.ended.empty() && !b.ended.empty(); }, 20s));
  EXPECT_EQ(a.ended[0].reason, EndReason::kServerStopping);
}

}  // namespace
}  // namespace culvert::sim
