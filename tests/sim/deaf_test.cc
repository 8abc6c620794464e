// Clients that never acknowledge: what the server keeps for them has a bound.
#include <gtest/gtest.h>

#include "tests/sim/handmade_client.h"

namespace culvert::sim {
namespace {

using namespace openvpn;
using namespace std::chrono_literals;

class Deaf : public ::testing::Test {
 protected:
  static World::Options options() {
    World::Options options;
    options.seed = seed();
    options.server.reneg_sec = 0s;
    return options;
  }
  Deaf() {
    world.keep_sent = true;
    world.decide = [this](Server& server, const ConnectRequest& request, Now now) {
      ClientGrant grant;
      grant.ip4 = {10, 8, 0, 5};
      grant.push = push;
      server.accept(request.session, grant, now);
    };
  }
  uint64_t drops(abi::DropReason reason) const { return world.server->tally().drops[static_cast<size_t>(reason)]; }

  World world{options()};
  std::vector<std::string> push{"route 10.1.0.0 255.255.0.0"};
};

TEST_F(Deaf, IsNotAnsweredAgainBeforeItHasTheAnswer) {
  HandmadeClient client(world, client_settings("alice"), endpoint(1, 4000));
  client.connect();
  EXPECT_EQ(client.heard(MessageKind::kPushReply), 1u);
  client.ask_for_settings();
  EXPECT_EQ(client.heard(MessageKind::kPushReply), 1u) << "one that asks twice has the answer";
  client.acknowledging = false;
  for (int i = 0; i < 200; ++i) {
    world.clock.run_for(31s);
    client.ask_for_settings();
  }
  client.acknowledge();
  EXPECT_EQ(client.heard(MessageKind::kPushReply), 2u);
  // It has the answer, and asks all the same: told again.
  world.clock.run_for(31s);
  client.ask_for_settings();
  client.acknowledge();
  EXPECT_EQ(client.heard(MessageKind::kPushReply), 3u);
}

TEST_F(Deaf, IsReadNoMoreWhileTooMuchIsUnderWayToIt) {
  for (int i = 0; i < 3000; ++i)
    push.push_back("route 10." + std::to_string(i / 256) + "." + std::to_string(i % 256) + ".0 255.255.255.0");
  HandmadeClient client(world, client_settings("alice"), endpoint(1, 4000));
  client.acknowledging = false;
  client.connect();
  ASSERT_EQ(world.connected.size(), 1u);
  client.say(build_message("INFO,what it asks for may have an answer"));
  EXPECT_EQ(drops(abi::DropReason::control_unacknowledged), 1u);
  // What it acknowledges is read at any time.
  client.acknowledge();
  EXPECT_GT(client.heard(MessageKind::kPushReply), 50u);
  world.clock.run_for(31s);
  client.repeat_last();
  EXPECT_EQ(drops(abi::DropReason::control_unacknowledged), 1u);
}

TEST_F(Deaf, IsToldNoMoreThanItTakes) {
  HandmadeClient client(world, client_settings("alice"), endpoint(1, 4000));
  client.connect();
  const size_t before = client.heard(MessageKind::kPushReply);
  client.acknowledging = false;
  const abi::SessionRef session = world.server->sessions().at(0).session;
  const auto changes = *parse_push_update("route 10.2.0.0 255.255.0.0");
  const std::vector<std::string> token{"auth-token " + std::string(500, 'x')};
  size_t told = 0;
  for (int i = 0; i < 10000; ++i) {
    world.with_server([&](Server& server, Now now) {
      server.push(session, token, now);
      if (server.push_update(session, changes, now)) ++told;
    });
  }
  EXPECT_GT(told, 10u);
  EXPECT_LT(told, 1000u);
  client.acknowledge();
  EXPECT_EQ(client.heard(MessageKind::kPushUpdate), told);
  EXPECT_LT(client.heard(MessageKind::kPushReply), before + 1000);
  world.with_server([&](Server& server, Now now) { EXPECT_TRUE(server.push_update(session, changes, now)); });
}

}  // namespace
}  // namespace culvert::sim
