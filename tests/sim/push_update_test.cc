// PUSH_UPDATE between the engines.
#include <gtest/gtest.h>

#include "control/openvpn/negotiate.h"
#include "tests/sim/world.h"

namespace culvert::sim {
namespace {

using namespace openvpn;
using namespace std::chrono_literals;

struct PushUpdateTest : ::testing::Test {
  PushUpdateTest() {
    World::Options options;
    options.seed = seed();
    world.emplace(options);
    world->decide = [](Server& server, const ConnectRequest& request, Now now) {
      ClientGrant grant;
      grant.ip4 = {10, 8, 0, 5};
      grant.push = {"route 10.1.0.0 255.255.0.0", "dns server 0 address 10.8.0.1"};
      server.accept(request.session, grant, now);
    };
  }
  World::Peer& connect(ClientSettings settings) {
    World::Peer& peer = world->add_client(std::move(settings), 1);
    world->start(peer);
    EXPECT_TRUE(world->run_until([&] { return peer.engine->connected(); }, 60s));
    return peer;
  }
  bool update(const std::string& text) {
    auto changes = parse_push_update(text);
    EXPECT_TRUE(changes) << (changes ? "" : changes.error());
    bool told = false;
    world->with_server(
        [&](Server& server, Now now) { told = server.push_update(server.sessions().at(0).session, *changes, now); });
    return told;
  }
  static bool has(const World::Peer& peer, const std::string& option) {
    return std::ranges::find(peer.pushed, option) != peer.pushed.end();
  }

  std::optional<World> world;
};

TEST_F(PushUpdateTest, ChangesWhatTheClientHas) {
  World::Peer& peer = connect(client_settings("alice"));
  EXPECT_TRUE(has(peer, "route 10.1.0.0 255.255.0.0"));
  EXPECT_TRUE(update("route 10.2.0.0 255.255.0.0, -dns"));
  EXPECT_TRUE(world->run_until([&] { return has(peer, "route 10.2.0.0 255.255.0.0"); }, 10s));
  EXPECT_FALSE(has(peer, "route 10.1.0.0 255.255.0.0"));
  EXPECT_FALSE(has(peer, "dns server 0 address 10.8.0.1"));
  EXPECT_EQ(world->server->sessions().at(0).grant.push, std::vector<std::string>{"route 10.2.0.0 255.255.0.0"})
      << "should it ask for its settings again";
  EXPECT_TRUE(peer.engine->connected());
  EXPECT_TRUE(peer.ended.empty());
}

TEST_F(PushUpdateTest, ManyRoutesArriveWhole) {
  World::Peer& peer = connect(client_settings("alice"));
  std::string text;
  for (int i = 0; i < 120; ++i) text += "route 10." + std::to_string(i) + ".0.0 255.255.0.0,";
  EXPECT_TRUE(update(text));
  EXPECT_TRUE(world->run_until([&] { return has(peer, "route 10.119.0.0 255.255.0.0"); }, 30s));
  EXPECT_TRUE(has(peer, "route 10.0.0.0 255.255.0.0"));
}

TEST_F(PushUpdateTest, ClientsThatDoNotAnnounceItAreLeftAlone) {
  ClientSettings old = client_settings("old");
  old.capabilities &= ~iv_proto::kPushUpdate;
  World::Peer& peer = connect(old);
  std::vector<std::string> before = peer.pushed;
  EXPECT_FALSE(update("-dns"));
  EXPECT_FALSE(world->run_until([&] { return peer.pushed != before; }, 10s));
  EXPECT_TRUE(peer.engine->connected());
}

}  // namespace
}  // namespace culvert::sim
