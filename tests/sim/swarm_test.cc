// Fifty clients that connect, renegotiate, leave and vanish at random in bad weather, against a model of what the
// server should hold.
#include <gtest/gtest.h>

#include "tests/sim/world.h"

namespace culvert::sim {
namespace {

using namespace openvpn;
using namespace std::chrono_literals;

constexpr uint32_t kClients = 50;

std::string name_of(uint32_t host) {
  return "client" + std::to_string(host);
}

struct Swarm {
  World world;
  std::map<uint32_t, bool> wanted;  ///< by host: should have a session once things have settled

  explicit Swarm(uint64_t seed) : world(options(seed)) {}
  static World::Options options(uint64_t seed) {
    World::Options out;
    out.seed = seed;
    out.weather = {0.05, 0.05, 0.1, 0};
    out.server.reneg_sec = 120s;
    return out;
  }
  void step() {
    uint32_t host = 1 + static_cast<uint32_t>(world.random.below(kClients));
    auto found = world.clients.find(host);
    if (found == world.clients.end()) {
      world.start(world.add_client(client_settings(name_of(host)), host));
      wanted[host] = true;
      return;
    }
    World::Peer& peer = *found->second;
    switch (world.random.below(4)) {
      case 0:
        if (!peer.engine->connected()) return;
        world.with_client(peer, [](Client& client, Now now) { EXPECT_TRUE(client.exit(now)); });
        wanted[host] = false;
        return;
      case 1: {
        // Switched off; what the dataplane would notice is reported at once.
        world.vanish(peer);
        wanted[host] = false;
        time_out(host);
        return;
      }
      case 2:
        // Back after it left.
        if (wanted[host]) return;
        world.vanish(peer);
        return;
      default:
        world.with_client(peer, [](Client& client, Now now) { client.renegotiate(now); });
    }
  }
  void time_out(uint32_t host) {
    for (const SessionInfo& info : world.server->sessions()) {
      if (info.remote.address != endpoint(host, 0).address) continue;
      abi::Event event{};
      event.kind = abi::EventKind::kPeerTimeout;
      event.session = info.session;
      world.with_server([&](Server& server, Now now) { server.on_event(event, now); });
    }
  }
  /// After everything had time to arrive.
  void check() {
    std::map<std::string, SessionInfo> held;
    for (const SessionInfo& info : world.server->sessions()) {
      ASSERT_TRUE(info.connected);
      ASSERT_TRUE(held.emplace(info.identity.common_name, info).second)
          << "two sessions of " << info.identity.common_name;
    }
    size_t expected = 0;
    for (auto& [host, want] : wanted) {
      if (!want) {
        EXPECT_FALSE(held.contains(name_of(host))) << name_of(host);
        continue;
      }
      ++expected;
      ASSERT_TRUE(held.contains(name_of(host))) << name_of(host);
      World::Peer& peer = *world.clients.at(host);
      const SessionInfo& info = held.at(name_of(host));
      EXPECT_TRUE(peer.engine->connected());
      EXPECT_EQ(world.peer_id_of(peer), info.session.peer_id);
      EXPECT_EQ(info.remote, peer.address);
      EXPECT_TRUE(world.records.contains(info.session.peer_id));
    }
    EXPECT_EQ(held.size(), expected);
    EXPECT_EQ(world.worker.sessions().size(), expected);
    EXPECT_EQ(world.records.size(), expected);
    EXPECT_EQ(world.peer_ids.taken(), expected);
    EXPECT_FALSE(world.peer_ids.misused());
    EXPECT_EQ(world.worker.errors(), std::vector<std::string>());
  }
};

class Swarms : public ::testing::TestWithParam<int> {};

TEST_P(Swarms, ServerHoldsWhatItShould) {
  Swarm swarm(seed() + static_cast<uint64_t>(GetParam()));
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 60; ++i) {
      swarm.step();
      swarm.world.clock.run_for(500ms);
    }
    swarm.world.clock.run_for(130s);
    ASSERT_NO_FATAL_FAILURE(swarm.check());
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Swarms, ::testing::Range(0, 4));

}  // namespace
}  // namespace culvert::sim
