// Sessions that have ended, but may still say goodbye: they take nobody's place.
#include <gtest/gtest.h>

#include <numeric>

#include "tests/sim/handmade_client.h"

namespace culvert::sim {
namespace {

using namespace openvpn;
using namespace std::chrono_literals;

constexpr uint32_t kMost = 10;

class ClosingSessions : public ::testing::Test {
 protected:
  ClosingSessions() {
    World::Options options;
    options.seed = seed();
    options.server.max_clients = kMost;
    world = std::make_unique<World>(options);
    world->keep_sent = true;
  }
  uint64_t drops(abi::DropReason reason) const { return world->server->tally().drops[static_cast<size_t>(reason)]; }
  /// A client that connects, and says goodbye at once.
  HandmadeClient come_and_go(uint16_t port) {
    HandmadeClient client(*world, client_settings("mallory"), endpoint(66, port));
    client.connect();
    client.say(build_message(MessageKind::kExit));
    return client;
  }

  std::unique_ptr<World> world;
};

TEST_F(ClosingSessions, OfAClientThatComesAndGoesAllTheTimeKeepNobodyOut) {
  HandmadeClient first = come_and_go(1);
  for (uint16_t port = 2; port <= 5 * kMost; ++port) come_and_go(port);
  EXPECT_EQ(world->connected.size(), 5 * kMost);
  EXPECT_EQ(world->server->session_count(), 0u);
  World::Peer& honest = world->add_client(client_settings("alice"), 1);
  world->start(honest);
  EXPECT_TRUE(world->run_until([&] { return honest.engine->connected(); }, 3s));
  EXPECT_EQ(drops(abi::DropReason::control_server_full), 0u);
}

TEST_F(ClosingSessions, AreBoundedAndTheOldestGoFirst) {
  // What it repeats is neither refused nor taken for the beginning of another session.
  auto is_known = [this](HandmadeClient& client) {
    auto seen = [this] {
      const abi::Tally& tally = world->server->tally();
      return std::accumulate(tally.drops.begin(), tally.drops.end(),
                             tally.counters[static_cast<size_t>(abi::Counter::handshakes_started)]);
    };
    const uint64_t before = seen();
    client.repeat_last();
    return seen() == before;
  };
  HandmadeClient first = come_and_go(1);
  for (uint16_t port = 2; port <= kMost; ++port) come_and_go(port);
  EXPECT_TRUE(is_known(first));
  HandmadeClient last = come_and_go(kMost + 1);
  for (uint16_t port = kMost + 2; port <= kMost + 5; ++port) come_and_go(port);
  EXPECT_FALSE(is_known(first)) << "as many as may connect are remembered";
  EXPECT_TRUE(is_known(last));
  world->clock.run_for(20s);
  EXPECT_FALSE(is_known(last)) << "and not for long";
}

}  // namespace
}  // namespace culvert::sim
