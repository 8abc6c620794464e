// An hour of virtual time: loss, duplication, reordering, both sides renegotiating, and a numbered data stream in both
// directions of which no packet may meet a receiver without its key.
#include <gtest/gtest.h>

#include "control/openvpn/key_files.h"
#include "tests/sim/world.h"

namespace culvert::sim {
namespace {

using namespace openvpn;
using namespace std::chrono_literals;

struct Hour {
  World world;
  World::Peer& peer;

  static World::Options options(uint64_t seed, Weather weather, std::chrono::seconds reneg,
                                std::chrono::seconds reneg_min) {
    World::Options out;
    out.seed = seed;
    out.weather = weather;
    SeededRandom random(3);
    out.server.wrap.kind = WrapKind::kTlsCrypt;
    out.server.wrap.key = make_static_key(random);
    out.server.reneg_sec = reneg;
    out.server.reneg_sec_min = reneg_min;
    return out;
  }
  Hour(uint64_t seed, Weather weather, std::chrono::seconds reneg, std::chrono::seconds reneg_min)
      : world(options(seed, weather, reneg, reneg_min)), peer(add(world, reneg)) {}
  static World::Peer& add(World& world, std::chrono::seconds reneg) {
    ClientSettings settings = client_settings("alice");
    settings.wrap = world.server->settings().wrap;
    settings.reneg_sec = reneg;
    return world.add_client(settings, 1);
  }
  void run(std::chrono::nanoseconds time, std::chrono::nanoseconds interval) {
    world.start(peer);
    ASSERT_TRUE(world.run_until([&] { return peer.engine->connected(); }, 120s));
    MonoTime end = world.clock.now().mono + time;
    // A stock client drops data until it has worked through PUSH_REPLY; so does the model: the stream starts after
    // that.
    std::function<void()> tick = [&] {
      world.exchange_data(peer);
      if (world.clock.now().mono < end) world.clock.after(interval, tick);
    };
    tick();
    world.clock.run_until(end + 10s);
  }
};

TEST(Rekey, AnHourOfBadWeatherLosesNothing) {
  Hour hour(seed(), {0.05, 0.05, 0.1, 0}, 60s, 60s);
  hour.run(1h, 50ms);
  EXPECT_EQ(hour.peer.undecryptable, 0u);
  EXPECT_EQ(hour.peer.own_undecryptable, 0u);
  EXPECT_GT(hour.peer.received, 60000u);
  EXPECT_GT(hour.peer.own_received, 60000u);
  auto sessions = hour.world.server->sessions();
  ASSERT_EQ(sessions.size(), 1u);
  EXPECT_GT(sessions[0].renegotiations, 50u);
  EXPECT_EQ(hour.world.worker.errors(), std::vector<std::string>());
  EXPECT_EQ(hour.peer.worker.errors(), std::vector<std::string>());
  EXPECT_TRUE(hour.world.ended.empty());
  EXPECT_GT(hour.world.server->tally().counters[static_cast<size_t>(abi::Counter::control_retransmits)], 0u);
  // Key-ids wrapped from 7 to 1 several times, and old keys did not pile up.
  EXPECT_LE(hour.world.worker.sessions().begin()->second.keys.size(), 3u);
}

TEST(Rekey, IsRepeatable) {
  auto trace = [](uint64_t seed) {
    Hour hour(seed, {0.05, 0.05, 0.1, 0.01}, 60s, 60s);
    hour.run(5min, 100ms);
    return std::tuple(hour.world.clock.happened(), hour.world.wire.delivered, hour.world.wire.lost, hour.peer.received);
  };
  EXPECT_EQ(trace(seed() + 1), trace(seed() + 1));
  EXPECT_NE(trace(seed() + 1), trace(seed() + 2));
}

class RekeySeeds : public ::testing::TestWithParam<int> {};

TEST_P(RekeySeeds, WorseWeatherAndShorterTimes) {
  Hour hour(seed() + 100 + static_cast<uint64_t>(GetParam()), {0.15, 0.1, 0.3, 0.02}, 20s, 15s);
  hour.run(10min, 50ms);
  EXPECT_EQ(hour.peer.undecryptable, 0u);
  EXPECT_EQ(hour.peer.own_undecryptable, 0u);
  ASSERT_EQ(hour.world.server->session_count(), 1u);
  EXPECT_GT(hour.world.server->sessions()[0].renegotiations, 10u);
  EXPECT_EQ(hour.world.worker.errors(), std::vector<std::string>());
  EXPECT_EQ(hour.peer.worker.errors(), std::vector<std::string>());
}

INSTANTIATE_TEST_SUITE_P(Many, RekeySeeds, ::testing::Range(0, 10));

}  // namespace
}  // namespace culvert::sim
