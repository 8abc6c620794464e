// A gateway that leaves its sessions: what holds it up, what stays in the link, and what the next one finds.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "tests/unit/gateway/gateway_rig.h"

namespace culvert::gateway {
namespace {

using nlohmann::json;

constexpr int kLong = 100'000;  // milliseconds: longer than any of these tests takes

class LeavingGateway : public ::testing::Test {
 protected:
  void start() {
    rig_.leave_session(3, "alice", 1);
    rig_.leave_session(4, "bob", 0);
    rig_.start();
    rig_.gateway->set_keeper("culvert up");
  }
  static json leave(int within_ms) { return {{"command", "leave"}, {"within_ms", within_ms}}; }
  bool finishes() {
    return rig_.run_until([&] { return rig_.gateway->finished(); });
  }
  /// A client-disconnect that does not end before there is a file "go".
  std::string script() {
    const std::string path = folder_ / "disconnect";
    std::ofstream(path) << "#!/bin/sh\nwhile [ ! -e '" << folder_ / "go"
                        << "' ]; do sleep 0.05; done\ntouch '" << folder_ / "went"
                        << "'\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path;
  }
  /// Waits until the gateway has said so of itself, while it still runs.
  bool says(const std::string& state) {
    return rig_.run_until([&] { return rig_.ask({{"command", "handover"}})["state"] == state; });
  }

  void leave_while_a_script_runs() {
    rig_.add_to("server.conf", "script-security 2\nclient-disconnect " + script() + "\n");
    start();
    rig_.ask({{"command", "session kill"}, {"session", "alice"}});
    rig_.ask(leave(kLong));
    ASSERT_TRUE(says("leaving: waiting for 1 script"));
  }

  GatewayRig rig_;
  io::Folder folder_;
};

TEST_F(LeavingGateway, LeavesEverySessionToTheNext) {
  start();
  json answer = rig_.ask(leave(kLong));
  EXPECT_EQ(answer["sessions"], 2);
  EXPECT_EQ(answer["link_version"], abi::kAbiVersion);
  ASSERT_TRUE(finishes());
  EXPECT_TRUE(rig_.gateway->left());
  EXPECT_EQ(rig_.gateway->failure(), "");
  for (uint32_t peer_id : {3u, 4u}) EXPECT_EQ(rig_.record(peer_id).state, abi::RecordState::kConnected);
  for (uint32_t worker = 0; worker < GatewayRig::kWorkers; ++worker) EXPECT_TRUE(rig_.take_commands(worker).empty());
  rig_.end_control();
  rig_.start();
  json next = rig_.ask({{"command", "handover"}});
  EXPECT_EQ(next["took_over"], 2);
  EXPECT_EQ(next["gave_up"], 0);
  EXPECT_EQ(next["without_keys"], 2);
}

TEST_F(LeavingGateway, RefusesWhereNothingWouldStartTheNext) {
  start();
  rig_.gateway->set_keeper("");
  EXPECT_NE(rig_.refusal(leave(kLong)).find("`kill -QUIT " + std::to_string(getpid()) + "` has it leave"),
            std::string::npos);
  rig_.gateway->set_keeper("systemd");
  for (const json& within : {json(-1), json(600'001), json("long")})
    rig_.refusal({{"command", "leave"}, {"within_ms", within}});
  EXPECT_EQ(rig_.ask({{"command", "leave"}, {"ask_only", true}})["leaves_within_ms"], json());
  EXPECT_FALSE(rig_.gateway->finished());
}

TEST_F(LeavingGateway, WaitsUntilTheDataplaneHasTakenItsCommands) {
  start();
  for (uint64_t i = 0; i < abi::CommandRing::kCapacity + 10; ++i)  // more than the ring holds
    rig_.ask({{"command", "session limit"}, {"session", "alice"}, {"in", 1000 + i}});
  rig_.ask(leave(kLong));
  ASSERT_TRUE(says("leaving: waiting for the dataplane"));
  ASSERT_TRUE(rig_.run_until([&] {
    rig_.take_commands(1);
    return rig_.gateway->finished();
  }));
  EXPECT_TRUE(rig_.gateway->left());
}

TEST_F(LeavingGateway, WaitsForAScriptToItsEnd) {
  ASSERT_NO_FATAL_FAILURE(leave_while_a_script_runs());
  std::ofstream(folder_ / "go").flush();
  ASSERT_TRUE(finishes());
  EXPECT_TRUE(std::filesystem::exists(folder_ / "went"));
  EXPECT_EQ(rig_.record(3).state, abi::RecordState::kFree);
  EXPECT_EQ(rig_.record(4).state, abi::RecordState::kConnected);
}

TEST_F(LeavingGateway, CutsAScriptOffWhenItsTimeIsOver) {
  rig_.add_to("server.conf", "script-security 2\nclient-disconnect " + script() + "\n");
  start();
  rig_.ask({{"command", "session kill"}, {"session", "alice"}});
  std::vector<std::string> warnings;
  io::set_log_observer([&](io::LogLevel level, std::string_view line) {
    if (level == io::LogLevel::kWarning) warnings.emplace_back(line);
  });
  rig_.ask(leave(3000));  // longer than for an answer to a soft reset that has just begun
  ASSERT_TRUE(finishes());
  io::set_log_observer({});
  EXPECT_TRUE(rig_.gateway->left());
  EXPECT_EQ(std::ranges::count(warnings, "cut off, since the time is over: 1 script"), 1);
}

TEST_F(LeavingGateway, FirstPacketsOfClientsStayForTheNext) {
  start();
  abi::Producer<abi::PacketMessage, abi::PacketRing::kCapacity> worker(rig_.link.view.worker(0).punt_new);
  rig_.gateway->leave(std::chrono::milliseconds(kLong));
  abi::PacketMessage packet{};
  packet.remote.address = abi::ipv4({198, 51, 100, 77});
  packet.remote.port = 5000;
  packet.length = 14;
  packet.data[0] = 7 << 3;  // hard reset of a client
  ASSERT_EQ(worker.push(packet), abi::RingStatus::kOk);
  rig_.link.ring_control(0);
  ASSERT_TRUE(finishes());
  abi::PacketRing& ring = rig_.link.view.worker(0).punt_new;
  EXPECT_EQ(ring.tail - ring.head, 1u);
  rig_.end_control();
  rig_.start();
  EXPECT_TRUE(rig_.run_until([&] { return ring.tail == ring.head; }));
}

TEST_F(LeavingGateway, AnOrderlyEndGoesFirst) {
  ASSERT_NO_FATAL_FAILURE(leave_while_a_script_runs());
  std::ofstream(folder_ / "go").flush();
  rig_.gateway->stop();
  ASSERT_TRUE(finishes());
  EXPECT_FALSE(rig_.gateway->left());
  EXPECT_EQ(rig_.record(4).state, abi::RecordState::kFree) << "all sessions end";
}

TEST_F(LeavingGateway, ADataplaneThatIsAwayHasToComeBackFirst) {
  start();
  rig_.lose_dataplane();
  ASSERT_TRUE(rig_.run_until([&] {
    json answered = rig_.answer({{"command", "leave"}, {"ask_only", true}});
    return answered["ok"] == false &&
           answered["error"].get<std::string>().find("until it is back the sessions are nowhere but in this control") !=
               std::string::npos;
  }));
  rig_.gateway->leave(std::chrono::milliseconds(kLong));  // by a signal: nobody is there to be told
  ASSERT_TRUE(says("leaving: waiting for the dataplane"));
}

}  // namespace
}  // namespace culvert::gateway
