// Renegotiations that wait for a verdict (passwords, scripts): what a late one may still bring about.
#include <gtest/gtest.h>

#include "tests/sim/world.h"

namespace culvert::sim {
namespace {

using namespace openvpn;
using namespace std::chrono_literals;

class Renewal : public ::testing::Test {
 protected:
  static World::Options options() {
    World::Options out;
    out.seed = seed();
    out.server.verify_renewals = true;
    return out;
  }
  void SetUp() override {
    let_in_ = world_.decide;
    world_.decide = [this](Server& engine, const ConnectRequest& request, Now now) {
      if (!request.renewal) return let_in_(engine, request, now);
      ++asked_;
      session_ = request.session;
    };
    world_.start(alice_);
    ASSERT_TRUE(world_.run_until([&] { return alice_.engine->connected(); }, 60s));
    world_.clock.run_for(5s);
    const abi::SessionRef session = world_.connected.at(0).session;
    world_.with_server([&](Server& engine, Now now) { engine.renegotiate(session, now); });
    ASSERT_TRUE(world_.run_until([&] { return asked_ == 1; }, 60s));
  }
  void allow() {
    world_.with_server([&](Server& engine, Now now) { engine.accept_renewal(session_, {}, now); });
  }
  uint64_t renegotiations() { return world_.server->sessions().at(0).renegotiations; }

  World world_{options()};
  World::Peer& alice_ = world_.add_client(client_settings("alice"), 1);
  std::function<void(Server&, const ConnectRequest&, Now)> let_in_;
  int asked_ = 0;
  abi::SessionRef session_;
};

TEST_F(Renewal, ItsKeysComeWithTheVerdict) {
  world_.clock.run_for(10s);
  EXPECT_EQ(renegotiations(), 0u);
  allow();
  EXPECT_TRUE(world_.run_until([&] { return renegotiations() == 1; }, 10s));
  EXPECT_TRUE(world_.ended.empty());
}

TEST_F(Renewal, WhoIsRefusedAtOneHearsWhy) {
  world_.with_server([&](Server& engine, Now now) { engine.refuse(session_, "expired", "account has expired", now); });
  ASSERT_EQ(world_.ended.size(), 1u);
  EXPECT_EQ(world_.ended[0].reason, EndReason::kAuthFailed);
  EXPECT_EQ(world_.ended[0].text, "account has expired");
  ASSERT_TRUE(world_.run_until([&] { return !alice_.ended.empty(); }, 10s));
  EXPECT_EQ(alice_.ended[0].reason, EndReason::kAuthFailed);
  EXPECT_NE(alice_.ended[0].text.find("expired"), std::string::npos) << alice_.ended[0].text;
}

TEST_F(Renewal, AVerdictOnTheAttemptBeforeIsNoneOnTheNextOne) {
  const auto hand_window = world_.server->settings().hand_window;
  world_.clock.run_for(hand_window + 5s);
  world_.wire.weather.loss = 1;
  world_.clock.run_for(hand_window / 2 + 5s);  // it has been begun anew, and its client has not said anything yet
  ASSERT_EQ(asked_, 1);
  allow();
  EXPECT_TRUE(world_.ended.empty()) << world_.ended.at(0).text;
  world_.wire.weather.loss = 0;
  ASSERT_TRUE(world_.run_until([&] { return asked_ == 2; }, 2 * hand_window));
  EXPECT_EQ(renegotiations(), 0u);
  allow();
  EXPECT_TRUE(world_.run_until([&] { return renegotiations() == 1; }, 10s));
  EXPECT_TRUE(world_.ended.empty());
}

}  // namespace
}  // namespace culvert::sim
