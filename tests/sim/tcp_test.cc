// Sessions over TCP: the connection proves the address, and it is the session's whole life.
#include <gtest/gtest.h>

#include "tests/sim/world.h"

namespace culvert::sim {
namespace {

using namespace openvpn;
using namespace std::chrono_literals;

class OverTcp : public ::testing::Test {
 protected:
  OverTcp() : world_(options()) {}
  static World::Options options() {
    World::Options made;
    made.seed = seed();
    return made;
  }

  World::Peer& add(uint32_t host, uint64_t stream) {
    ClientSettings settings = client_settings("alice" + std::to_string(host));
    settings.remote.transport = abi::Transport::kTcp;
    World::Peer& peer = world_.add_client(settings, host);
    peer.address.transport = abi::Transport::kTcp;
    peer.address.stream = stream;
    return peer;
  }
  World::Peer& connect(uint32_t host, uint64_t stream) {
    World::Peer& peer = add(host, stream);
    world_.start(peer);
    EXPECT_TRUE(world_.run_until([&] { return peer.engine->connected(); }, 30s));
    return peer;
  }
  void end_stream(const abi::Endpoint& remote) {
    world_.with_server([&](Server& server, Now now) {
      abi::Event event{};
      event.kind = abi::EventKind::kStreamClosed;
      event.endpoint = remote;
      server.on_event(event, now);
    });
  }
  uint64_t counted(abi::Counter counter) const { return world_.server->tally().counters[static_cast<size_t>(counter)]; }
  uint64_t dropped(abi::DropReason reason) const { return world_.server->tally().drops[static_cast<size_t>(reason)]; }

  World world_;
};

TEST_F(OverTcp, ConnectsWithoutCookieAndWithoutRepetitions) {
  World::Peer& peer = connect(1, 5);
  EXPECT_EQ(counted(abi::Counter::resets_answered), 0u);
  EXPECT_EQ(counted(abi::Counter::control_retransmits), 0u);
  world_.exchange_data(peer);
  world_.clock.run_for(1s);
  EXPECT_EQ(peer.received, 1u);
}

/// TCP repeats by itself.
TEST_F(OverTcp, ASlowConnectionIsNotGivenEverythingTwice) {
  world_.wire.weather.delay = 3s;
  World::Peer& peer = add(1, 5);
  world_.start(peer);
  EXPECT_TRUE(world_.run_until([&] { return peer.engine->connected(); }, 60s));
  EXPECT_EQ(counted(abi::Counter::control_retransmits), 0u);
}

TEST_F(OverTcp, TheSessionEndsWithItsConnection) {
  World::Peer& peer = connect(1, 5);
  World::Peer& other = connect(2, 6);
  abi::Endpoint stale = peer.address;
  stale.stream = 4;
  end_stream(stale);
  EXPECT_EQ(world_.server->session_count(), 2u) << "an older connection from the same port";
  end_stream(peer.address);
  ASSERT_EQ(world_.ended.size(), 1u);
  EXPECT_EQ(world_.ended[0].reason, EndReason::kConnectionClosed);
  EXPECT_TRUE(world_.ended[0].was_connected);
  EXPECT_EQ(world_.server->session_count(), 1u);
  EXPECT_EQ(world_.peer_ids.taken(), 1u);
  EXPECT_TRUE(world_.worker.closed_streams().empty()) << "it is closed already";
  EXPECT_TRUE(other.engine->connected());
  EXPECT_FALSE(world_.peer_ids.misused());
}

TEST_F(OverTcp, AHandshakeEndsWithItsConnection) {
  World::Peer& peer = add(1, 5);
  world_.start(peer);
  ASSERT_TRUE(world_.run_until([&] { return world_.server->session_count() == 1; }, 5s));
  end_stream(peer.address);
  EXPECT_EQ(world_.server->session_count(), 0u);
  ASSERT_EQ(world_.ended.size(), 1u);
  EXPECT_FALSE(world_.ended[0].was_connected);
}

TEST_F(OverTcp, TheConnectionIsClosedBehindTheGoodbye) {
  World::Peer& peer = connect(1, 5);
  world_.with_server([&](Server& server, Now now) {
    server.disconnect(server.sessions().at(0).session, Goodbye::kHalt, EndReason::kKilled, "killed", now);
  });
  EXPECT_TRUE(world_.worker.closed_streams().empty()) << "not before the client has heard of it";
  ASSERT_TRUE(world_.run_until([&] { return !world_.worker.closed_streams().empty(); }, 2s)) << "nothing is repeated";
  EXPECT_EQ(world_.worker.closed_streams(), std::vector<uint64_t>{5});
  ASSERT_EQ(peer.ended.size(), 1u);
}

TEST_F(OverTcp, AConnectionCarriesOneClient) {
  World::Peer& peer = connect(1, 5);
  World::Peer& second = add(2, 5);
  second.address = peer.address;
  world_.start(second);
  world_.clock.run_for(5s);
  EXPECT_EQ(world_.server->session_count(), 1u);
  EXPECT_GT(dropped(abi::DropReason::control_wrong_session_id), 0u);
  EXPECT_TRUE(world_.worker.closed_streams().empty()) << "the first client is not thrown out for it";
}

TEST_F(OverTcp, WhoFindsTheServerFullMayTryAgain) {
  ServerSettings settings = world_.server->settings();
  settings.max_clients = 1;
  world_.server->set_settings(settings);
  connect(1, 5);
  world_.start(add(2, 6));
  EXPECT_TRUE(world_.run_until([&] { return !world_.worker.closed_streams().empty(); }, 5s));
  EXPECT_EQ(world_.worker.closed_streams(), std::vector<uint64_t>{6});
  EXPECT_EQ(dropped(abi::DropReason::control_server_full), 1u);
}

TEST_F(OverTcp, WhoIsNotUnderstoodMayBeginAnew) {
  World::Peer& peer = add(1, 5);
  std::vector<uint8_t> control(60, 1);
  control[0] = 0x20;
  world_.server_receives(peer.address, control);
  EXPECT_EQ(world_.worker.closed_streams(), std::vector<uint64_t>{5})
      << "a client of a control before us need not wait for its hand-window";
}

}  // namespace
}  // namespace culvert::sim
