// What a server does at the ends of its process's life: taking sessions over from the one before, and stopping.
#include <gtest/gtest.h>

#include "tests/sim/world.h"

namespace culvert::sim {
namespace {

using namespace openvpn;
using namespace std::chrono_literals;

class Life : public ::testing::Test {
 protected:
  World::Peer& connect(World& world, uint32_t host) {
    ClientSettings settings = client_settings("alice");
    settings.reneg_sec = 0s;
    World::Peer& peer = world.add_client(settings, host);
    world.start(peer);
    EXPECT_TRUE(world.run_until([&] { return peer.engine->connected(); }, 60s));
    return peer;
  }
};

TEST_F(Life, TakenOverSessionShakesHandsSoon) {
  for (auto reneg_sec : {0s, 6s, 3600s}) {
    World::Options options;
    options.server.reneg_sec = reneg_sec;
    World world(options);
    World::Peer& peer = connect(world, 1);
    uint32_t peer_id = world.peer_id_of(peer).value();
    abi::ControlRecord record = world.records.at(peer_id);

    // Control is killed; the next one has nothing but the record.
    ServerSettings settings = world.server->settings();
    world.server = std::make_unique<Server>(settings, world.peer_ids, world.random);
    world.with_server([&](Server& server, Now now) {
      ASSERT_TRUE(server.adopt(peer_id, record, record.settings.remote, now));
      EXPECT_FALSE(server.adopt(peer_id, record, record.settings.remote, now)) << "twice";
    });
    // Only then can it say goodbye, or understand the peer's.
    EXPECT_TRUE(world.run_until([&] { return world.server->sessions().at(0).renegotiations > 0; }, 11s))
        << "reneg-sec " << reneg_sec.count();
    world.exchange_data(peer);
    world.clock.run_for(1s);
    EXPECT_EQ(peer.undecryptable + peer.own_undecryptable, 0u);
    world.with_client(peer, [](Client& client, Now now) { EXPECT_TRUE(client.exit(now)); });
    EXPECT_TRUE(world.run_until([&] { return world.server->session_count() == 0; }, 10s));
  }
}

TEST_F(Life, StoppingServerLetsNobodyIn) {
  World world({});
  connect(world, 1);
  world.with_server([](Server& server, Now now) { server.stop(Goodbye::kRestart, now); });
  ASSERT_TRUE(world.run_until([&] { return world.ended.size() == 1; }, 10s));
  EXPECT_EQ(world.ended[0].reason, EndReason::kServerStopping);
  // The client does as told, and comes back at once.
  World::Peer& after = world.add_client(client_settings("bob"), 2);
  world.start(after);
  world.clock.run_for(10s);
  EXPECT_FALSE(after.engine->connected());
  EXPECT_EQ(world.server->session_count(), 0u);
  EXPECT_GT(world.server->tally().drops[static_cast<size_t>(abi::DropReason::control_stopping)], 0u);
}

}  // namespace
}  // namespace culvert::sim
