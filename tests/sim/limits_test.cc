// connect-freq, force-tls-key-material-export, limits that a client is granted, and renegotiations that control asks
// for.
#include <gtest/gtest.h>

#include "control/openvpn/negotiate.h"
#include "tests/sim/handmade_client.h"

namespace culvert::sim {
namespace {

using namespace openvpn;
using namespace std::chrono_literals;

TEST(Limits, ConnectFreqLetsTheRestInLater) {
  World::Options options;
  options.seed = seed();
  options.server.connects_per_window = 3;
  options.server.connect_window = 20s;
  World world(options);
  for (uint32_t host = 1; host <= 5; ++host)
    world.start(world.add_client(client_settings("client" + std::to_string(host)), host));
  EXPECT_FALSE(world.run_until([&] { return world.connected.size() > 3; }, 15s));
  EXPECT_EQ(world.connected.size(), 3u);
  EXPECT_GT(world.server->tally().drops[static_cast<size_t>(abi::DropReason::control_rate_limited)], 0u);
  EXPECT_TRUE(world.run_until([&] { return world.connected.size() == 5; }, 30s));
}

TEST(Limits, ClientsWithoutKeyExportAreRefusedWhereItIsAskedFor) {
  World::Options options;
  options.seed = seed();
  options.server.require_key_export = true;
  World world(options);
  ClientSettings old = client_settings("old");
  old.capabilities &= ~iv_proto::kTlsKeyExport;
  World::Peer& peer = world.add_client(old, 1);
  world.start(peer);
  ASSERT_TRUE(world.run_until([&] { return !world.ended.empty() && !peer.ended.empty(); }, 60s));
  EXPECT_NE(world.ended[0].text.find("force-tls-key-material-export"), std::string::npos) << world.ended[0].text;
  EXPECT_NE(peer.ended[0].text.find("Client does not support TLS keying material exporters"), std::string::npos);
  World::Peer& modern = world.add_client(client_settings("modern"), 2);
  world.start(modern);
  EXPECT_TRUE(world.run_until([&] { return modern.engine->connected(); }, 60s));
}

/// Clients that came at once, as after a power cut, do not come back at once for their next keys.
TEST(Limits, RenegotiationsByTimeAreSpread) {
  World::Options options;
  options.seed = seed();
  options.server.reneg_sec = 1000s;
  World world(options);
  constexpr size_t kClients = 10;
  for (uint32_t host = 1; host <= kClients; ++host) {
    ClientSettings settings = client_settings("client" + std::to_string(host));
    settings.reneg_sec = 0s;
    world.start(world.add_client(settings, host));
  }
  ASSERT_TRUE(world.run_until([&] { return world.connected.size() == kClients; }, 5s));
  auto renegotiated = [&] {
    auto sessions = world.server->sessions();
    return std::ranges::count_if(sessions, [](const SessionInfo& session) { return session.renegotiations > 0; });
  };
  world.clock.run_for(890s);
  EXPECT_EQ(renegotiated(), 0);
  world.clock.run_for(100s);
  EXPECT_GT(renegotiated(), 0);
  world.clock.run_for(20s);
  EXPECT_EQ(renegotiated(), int{kClients});
}

TEST(Limits, RenegotiatesWhenAsked) {
  World::Options options;
  options.seed = seed();
  World world(options);
  World::Peer& peer = world.add_client(client_settings("alice"), 1);
  world.start(peer);
  ASSERT_TRUE(world.run_until([&] { return peer.engine->connected(); }, 60s));
  abi::SessionRef session = world.server->sessions().at(0).session;
  EXPECT_EQ(world.server->renegotiations(session), 0u);
  world.with_server([&](Server& server, Now now) { server.renegotiate(session, now); });
  EXPECT_TRUE(world.run_until([&] { return world.server->renegotiations(session) == 1; }, 60s));
  EXPECT_EQ(world.server->tally().counters[static_cast<size_t>(abi::Counter::renegotiations)], 1u);
  EXPECT_TRUE(world.ended.empty());
  EXPECT_EQ(world.server->renegotiations({session.peer_id, session.generation + 1}), 0u);
}

TEST(Limits, ASessionBeginsWithTheOnesOfItsGrant) {
  World::Options options;
  options.seed = seed();
  World world(options);
  const abi::SessionLimit limit{20'000'000, 8000};
  world.decide = [&, decide = world.decide](Server& engine, const ConnectRequest& request, Now now) {
    if (request.identity.common_name == "free") return decide(engine, request, now);
    ClientGrant grant;
    grant.ip4 = {10, 8, 0, 200};
    grant.ip4_gateway = {10, 8, 255, 254};
    grant.limit = limit;
    engine.accept(request.session, grant, now);
    // Accepted, and not connected yet: no packet of it may pass unlimited.
    EXPECT_EQ(engine.session(request.session)->limit, limit);
  };
  World::Peer& alice = world.add_client(client_settings("alice"), 1);
  World::Peer& free = world.add_client(client_settings("free"), 2);
  world.start(alice);
  world.start(free);
  ASSERT_TRUE(world.run_until([&] { return alice.engine->connected() && free.engine->connected(); }, 60s));
  for (const SessionInfo& session : world.server->sessions()) {
    abi::SessionLimit expected = session.identity.common_name == "alice" ? limit : abi::SessionLimit{};
    EXPECT_EQ(session.limit, expected) << session.identity.common_name;
    EXPECT_EQ(world.worker.sessions().at(session.session.peer_id).settings.limit, expected);
    EXPECT_EQ(world.records.at(session.session.peer_id).settings.limit, expected);
  }
  EXPECT_EQ(world.worker.errors(), std::vector<std::string>());
}

TEST(Limits, WhoWaitsForADecisionHasTheTimeThatIsAskedForWithinBounds) {
  struct Case {
    std::chrono::seconds asked;
    std::chrono::seconds given;
  };
  for (Case c : {Case{1s, 60s}, Case{100s, 100s}, Case{100000s, 1800s}}) {  // hand-window; half of reneg-sec
    World::Options options;
    options.seed = seed();
    World world(options);
    world.keep_sent = true;
    world.decide = [&](Server& server, const ConnectRequest& request, Now now) {
      server.auth_pending(request.session, c.asked, "", now);
    };
    HandmadeClient client(world, client_settings("alice"), endpoint(1, 4000));
    client.connect();
    world.clock.run_for(c.given - 1s);
    EXPECT_EQ(world.server->session_count(), 1u) << c.asked.count();
    world.clock.run_for(2s);
    EXPECT_EQ(world.server->session_count(), 0u) << c.asked.count();
  }
}

TEST(Limits, AreForConnectedSessionsOnly) {
  World::Options options;
  options.seed = seed();
  World world(options);
  world.decide = nullptr;
  world.start(world.add_client(client_settings("alice"), 1));
  ASSERT_TRUE(world.run_until([&] { return world.server->session_count() == 1; }, 60s));
  world.clock.run_for(5s);
  world.with_server([](Server& server, Now now) {
    EXPECT_FALSE(server.limit(server.sessions().at(0).session, {1'000'000, 0}, now));
  });
  EXPECT_EQ(world.worker.errors(), std::vector<std::string>());
}

TEST(Limits, AnAddressThatLearnAddressRefusedCarriesNothing) {
  for (bool ip6 : {false, true}) {
    World::Options options;
    options.seed = seed();
    World world(options);
    ClientGrant grant;
    grant.ip4 = {10, 8, 0, 200};
    grant.ip6 = {0xfd, 8};
    (ip6 ? grant.refused_ip6 : grant.refused_ip4) = true;
    world.decide = [&](Server& engine, const ConnectRequest& request, Now now) {
      engine.accept(request.session, grant, now);
    };
    World::Peer& alice = world.add_client(client_settings("alice"), 1);
    world.start(alice);
    ASSERT_TRUE(world.run_until([&] { return alice.engine->connected(); }, 60s));
    const abi::InstallSession& installed = world.worker.sessions().begin()->second.settings;
    EXPECT_EQ(installed.ip4, ip6 ? grant.ip4 : decltype(grant.ip4){});
    EXPECT_EQ(installed.ip6, ip6 ? decltype(grant.ip6){} : grant.ip6);
  }
}

}  // namespace
}  // namespace culvert::sim
