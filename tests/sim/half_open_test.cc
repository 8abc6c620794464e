// Handshakes that don't end: how many places of the server one address can take with them.
#include <gtest/gtest.h>

#include "tests/sim/handmade_client.h"

namespace culvert::sim {
namespace {

using namespace openvpn;
using namespace std::chrono_literals;

class HalfOpenHandshakes : public ::testing::Test {
 protected:
  World& make(uint32_t max_clients) {
    World::Options options;
    options.seed = seed();
    options.server.max_clients = max_clients;
    world = std::make_unique<World>(options);
    world->keep_sent = true;
    return *world;
  }
  uint64_t drops(abi::DropReason reason) const { return world->server->tally().drops[static_cast<size_t>(reason)]; }
  World::Peer& start_client(const std::string& name, const abi::Endpoint& address) {
    World::Peer& peer = world->add_client(client_settings(name), next_host_++);
    peer.address = address;
    world->start(peer);
    return peer;
  }
  /// A handshake of which nothing more comes.
  void begin_handshake(const abi::Endpoint& address) {
    HandmadeClient client(*world, client_settings("mallory"), address);
    client.begin();
  }

  std::unique_ptr<World> world;

 private:
  uint32_t next_host_ = 1;
};

TEST_F(HalfOpenHandshakes, OfOneAddressLeaveRoomForTheRest) {
  make(100);
  for (uint16_t port = 1; port <= 300; ++port) begin_handshake(endpoint(66, port));
  EXPECT_EQ(world->server->session_count(), 50u) << "half of what is free";
  EXPECT_EQ(drops(abi::DropReason::control_half_open), 250u);
  for (uint32_t host = 1; host <= 40; ++host) start_client("client" + std::to_string(host), endpoint(host, 4000));
  EXPECT_TRUE(world->run_until([&] { return world->connected.size() == 40; }, 30s));
  EXPECT_EQ(drops(abi::DropReason::control_server_full), 0u);
}

TEST_F(HalfOpenHandshakes, ThatFailedCountAsLongAsTheyAreRemembered) {
  make(20);
  for (uint16_t port = 1; port <= 200; ++port) {
    HandmadeClient client(*world, client_settings("mallory"), endpoint(66, port));
    client.begin_with(Bytes(100, 0x41));
  }
  EXPECT_EQ(world->server->session_count(), 0u) << "garbage in the place of TLS ends a handshake at once";
  World::Peer& honest = start_client("alice", endpoint(1, 4000));
  EXPECT_TRUE(world->run_until([&] { return honest.engine->connected(); }, 3s));
}

TEST_F(HalfOpenHandshakes, ManyHonestClientsMayShareAnAddress) {
  make(64);
  for (uint16_t i = 0; i < 60; ++i) start_client("client" + std::to_string(i), endpoint(1, 4000 + i));
  EXPECT_TRUE(world->run_until([&] { return world->connected.size() == 60; }, 60s)) << world->connected.size();
}

TEST_F(HalfOpenHandshakes, ClientsThatWaitForTheirDecisionDoNotCount) {
  make(64).decide = nullptr;
  for (uint16_t i = 0; i < 60; ++i) {
    start_client("client" + std::to_string(i), endpoint(1, 4000 + i));
    world->clock.run_for(1s);
  }
  EXPECT_EQ(world->server->session_count(), 60u);
  EXPECT_EQ(drops(abi::DropReason::control_half_open), 0u);
}

}  // namespace
}  // namespace culvert::sim
