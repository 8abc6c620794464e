// A control that leaves its sessions to the next one: what it waits for, what it leaves alone, and that nothing is
// lost.
#include <gtest/gtest.h>

#include <utility>

#include "tests/sim/world.h"

namespace culvert::sim {
namespace {

using namespace openvpn;
using namespace std::chrono_literals;

class Leaving : public ::testing::Test {
 protected:
  void SetUp() override {
    World::Options options;
    options.seed = seed();
    options.server.reneg_sec = 100s;
    options.server.tran_window = 300s;
    world_ = std::make_unique<World>(options);
    ClientSettings settings = client_settings("alice");
    settings.reneg_sec = 0s;
    settings.tran_window = 300s;
    alice_ = &world_->add_client(settings, 1);
  }
  void connect() {
    world_->start(*alice_);
    ASSERT_TRUE(world_->run_until([&] { return alice_->engine->connected(); }, 60s));
    ASSERT_TRUE(world_->run_until([&] { return nothing_open(); }, 60s));
    stream();
  }
  void stream() {
    if (alice_ == nullptr) return;
    world_->exchange_data(*alice_);
    world_->clock.after(100ms, [this] { stream(); });
  }
  void leave() {
    world_->with_server([](Server& server, Now) { server.leave(); });
  }
  /// The control that has left is followed by the next one.
  void next_control() {
    auto records = world_->records;
    world_->server = std::make_unique<Server>(world_->server->settings(), world_->peer_ids, world_->random);
    world_->with_server([&](Server& server, Now now) {
      for (auto& [peer_id, record] : records) EXPECT_TRUE(server.adopt(peer_id, record, record.settings.remote, now));
    });
  }
  Server::Unfinished open() { return world_->server->unfinished(world_->clock.now()); }
  bool nothing_open() {
    Server::Unfinished now = open();
    return now.handshakes + now.renegotiations + now.messages == 0;
  }
  uint64_t renegotiations() { return world_->server->sessions().at(0).renegotiations; }
  void expect_nothing_lost() {
    EXPECT_EQ(alice_->undecryptable, 0u);
    EXPECT_EQ(alice_->own_undecryptable, 0u);
    EXPECT_EQ(world_->worker.errors(), std::vector<std::string>());
    EXPECT_TRUE(alice_->ended.empty());
    EXPECT_TRUE(world_->ended.empty());
  }

  std::unique_ptr<World> world_;
  World::Peer* alice_ = nullptr;
};

TEST_F(Leaving, AHandshakeThatHasBegunGoesOnToItsEnd) {
  world_->start(*alice_);
  ASSERT_TRUE(world_->run_until([&] { return open().handshakes == 1; }, 60s));
  leave();
  EXPECT_EQ(open().handshakes, 1u);
  ASSERT_TRUE(world_->run_until([&] { return nothing_open(); }, 30s));
  EXPECT_TRUE(alice_->engine->connected()) << "nothing is open only when the client has its settings, too";
  stream();
  next_control();
  ASSERT_TRUE(world_->run_until([&] { return renegotiations() >= 1; }, 60s));
  expect_nothing_lost();
}

TEST_F(Leaving, ARenegotiationThatHasBegunGoesOnToItsEnd) {
  connect();
  world_->with_client(*alice_, [](Client& client, Now now) { client.renegotiate(now); });
  ASSERT_TRUE(world_->run_until([&] { return open().renegotiations == 1; }, 10s));
  leave();
  EXPECT_EQ(open().renegotiations, 1u);
  ASSERT_TRUE(world_->run_until([&] { return nothing_open(); }, 10s));
  EXPECT_EQ(renegotiations(), 1u);
  next_control();
  ASSERT_TRUE(world_->run_until([&] { return renegotiations() >= 1; }, 60s));
  expect_nothing_lost();
}

TEST_F(Leaving, OneThatBeginsMeanwhileIsTheNextControls) {
  connect();
  leave();
  world_->with_client(*alice_, [](Client& client, Now now) { client.renegotiate(now); });
  world_->clock.run_for(1s);
  EXPECT_TRUE(nothing_open());
  EXPECT_EQ(renegotiations(), 0u);
  EXPECT_GT(world_->server->tally().drops[static_cast<size_t>(abi::DropReason::control_stopping)], 0u);
  next_control();
  EXPECT_TRUE(world_->run_until([&] { return renegotiations() >= 1; }, 40s)) << "long before hand-window is over";
  world_->clock.run_for(10s);
  expect_nothing_lost();
}

/// What a connection has taken is not repeated soon.
TEST_F(Leaving, OneThatBeginsMeanwhileOverTcpIsAnswered) {
  world_->vanish(*alice_);
  ClientSettings settings = client_settings("alice");
  settings.remote.transport = abi::Transport::kTcp;
  alice_ = &world_->add_client(settings, 2);
  alice_->address.transport = abi::Transport::kTcp;
  alice_->address.stream = 5;
  connect();
  leave();
  world_->with_client(*alice_, [](Client& client, Now now) { client.renegotiate(now); });
  EXPECT_TRUE(world_->run_until([&] { return renegotiations() == 1; }, 10s));
  expect_nothing_lost();
}

TEST_F(Leaving, ItBeginsNoneByItself) {
  connect();
  leave();
  for (int second = 0; second < 200; ++second) {  // reneg-sec is over after 100
    world_->clock.run_for(1s);
    ASSERT_TRUE(nothing_open());
    auto next = world_->server->next_deadline();
    ASSERT_TRUE(!next || *next > world_->clock.now().mono) << "a deadline that has passed would keep the loop busy";
  }
  EXPECT_EQ(renegotiations(), 0u);
  next_control();
  ASSERT_TRUE(world_->run_until([&] { return renegotiations() >= 1; }, 60s));
  expect_nothing_lost();
}

// A stock client may end on it before it has acknowledged it.
TEST_F(Leaving, AGoodbyeIsWaitedForAsLongAsItsSessionLingers) {
  connect();
  world_->vanish(*std::exchange(alice_, nullptr));
  world_->with_server([](Server& server, Now now) {
    server.disconnect(server.sessions().at(0).session, Goodbye::kHalt, EndReason::kKilled, "operator", now);
  });
  leave();
  EXPECT_EQ(open().messages, 1u);
  world_->clock.run_for(6s);
  EXPECT_TRUE(nothing_open());
}

TEST_F(Leaving, AClientThatDoesNotAnswerIsNotWaitedFor) {
  connect();
  world_->vanish(*std::exchange(alice_, nullptr));
  world_->with_server([](Server& server, Now now) { server.renegotiate(server.sessions().at(0).session, now); });
  leave();
  EXPECT_EQ(open().renegotiations, 1u) << "its answer may be under way";
  world_->clock.run_for(2s);
  EXPECT_TRUE(nothing_open());
}

TEST_F(Leaving, AGoodbyeIsWaitedForUntilItIsAcknowledged) {
  connect();
  leave();
  world_->with_server([](Server& server, Now now) {
    server.disconnect(server.sessions().at(0).session, Goodbye::kHalt, EndReason::kKilled, "", now);
  });
  EXPECT_EQ(open().messages, 1u);
  ASSERT_TRUE(world_->run_until([&] { return nothing_open(); }, 4s)) << "not until the session is forgotten";
  EXPECT_FALSE(alice_->ended.empty());
}

TEST_F(Leaving, KeysAreMissingUntilTheClientNeedsNoneOfBefore) {
  auto without_keys = [this] { return world_->server->census(world_->clock.now()).without_keys; };
  connect();
  EXPECT_EQ(without_keys(), 0u);
  next_control();
  EXPECT_EQ(without_keys(), 1u);
  ASSERT_TRUE(world_->run_until([&] { return renegotiations() >= 1; }, 60s));
  EXPECT_EQ(without_keys(), 1u) << "a stock client may go back to it";
  world_->clock.run_for(60s);
  EXPECT_EQ(without_keys(), 0u);
}

}  // namespace
}  // namespace culvert::sim
