// What the admin socket answers about single sessions, and what workers and records are told of it.
#include <gtest/gtest.h>

#include "tests/unit/gateway/gateway_rig.h"

namespace culvert::gateway {
namespace {

using abi::CommandKind;
using nlohmann::json;

class SessionCommands : public ::testing::Test {
 protected:
  void SetUp() override {
    alice_ = rig_.leave_session(3, "alice", 1);
    bob_ = rig_.leave_session(4, "bob", 0);
    rig_.start();
  }
  json limit(const std::string& session, json request) {
    request["command"] = "session limit";
    request["session"] = session;
    return request;
  }
  json shown(const std::string& session) { return rig_.ask({{"command", "session show"}, {"session", session}}); }

  GatewayRig rig_;
  abi::SessionRef alice_, bob_;
};

TEST_F(SessionCommands, ALimitGoesToTheOwnerAloneAndIntoTheRecord) {
  json row = rig_.ask(limit("alice", {{"in", 20'000'000}, {"out", 8000}}));
  EXPECT_EQ(row["common_name"], "alice");
  EXPECT_EQ(row["limit_in"], 20'000'000);
  EXPECT_EQ(row["limit_out"], 8000);
  std::vector<abi::Command> told = rig_.take_commands(1);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].kind, CommandKind::kLimitSession);
  EXPECT_EQ(told[0].session, alice_);
  EXPECT_EQ(told[0].body.limit, (abi::SessionLimit{20'000'000, 8000}));
  EXPECT_TRUE(rig_.take_commands(0).empty());
  EXPECT_EQ(rig_.record(3).settings.limit, (abi::SessionLimit{20'000'000, 8000}));
  EXPECT_EQ(rig_.record(4).settings.limit, abi::SessionLimit{});
  EXPECT_TRUE(shown("bob")["limit_in"].is_null());
}

TEST_F(SessionCommands, ADirectionThatIsNotGivenStays) {
  rig_.ask(limit("alice", {{"in", 1000}}));
  EXPECT_TRUE(shown("alice")["limit_out"].is_null());
  rig_.ask(limit("alice", {{"out", 2000}}));
  EXPECT_EQ(shown("alice")["limit_in"], 1000);
  json row = rig_.ask(limit("alice", {{"in", 0}}));
  EXPECT_TRUE(row["limit_in"].is_null());
  EXPECT_EQ(row["limit_out"], 2000);
  std::vector<abi::SessionLimit> told;
  for (const abi::Command& command : rig_.take_commands(1)) told.push_back(command.body.limit);
  EXPECT_EQ(told, (std::vector<abi::SessionLimit>{{1000, 0}, {1000, 2000}, {0, 2000}}));
}

TEST_F(SessionCommands, ALimitThatMakesNoSenseTellsNobody) {
  rig_.ask(limit("alice", {{"in", 1000}}));
  rig_.take_commands(1);
  std::string says = rig_.refusal(limit("alice", {{"in", 5000}, {"out", abi::kMaxLimit + 1}}));
  EXPECT_NE(says.find("at most 400000000000 bits per second: give a lower one, or lift it with `culvert session limit"),
            std::string::npos)
      << says;
  for (const json& value : {json("20M"), json(nullptr), json::array()}) rig_.refusal(limit("alice", {{"in", value}}));
  EXPECT_EQ(rig_.refusal(limit("carol", {{"in", 1}})),
            "no session \"carol\": give an ID, a common name or an address of `culvert sessions`");
  EXPECT_TRUE(rig_.take_commands(0).empty());
  EXPECT_TRUE(rig_.take_commands(1).empty());
  EXPECT_EQ(shown("alice")["limit_in"], 1000);
  EXPECT_EQ(rig_.record(3).settings.limit, (abi::SessionLimit{1000, 0}));
}

TEST_F(SessionCommands, ASessionGoesByItsIdItsNameAndItsAddresses) {
  for (const char* name : {"3", "alice", "10.8.0.5", "198.51.100.4", "198.51.100.4:4000"})
    EXPECT_EQ(shown(name)["common_name"], "alice") << name;
  for (const char* name : {"", "03x", "10.8.0", "198.51.100.4:4001"})
    EXPECT_TRUE(rig_.refusal({{"command", "session show"}, {"session", name}}).starts_with("no session \"")) << name;
}

TEST(SessionsOfOneName, CanAllBeTold) {
  GatewayRig rig;
  rig.leave_session(3, "alice", 1);
  rig.leave_session(4, "alice", 0);
  rig.leave_session(5, "3", 0);
  rig.start();
  auto show = [](const std::string& session) { return json{{"command", "session show"}, {"session", session}}; };
  EXPECT_EQ(rig.refusal(show("alice")), "\"alice\" names 2 sessions: give one of the IDs 3, 4");
  EXPECT_EQ(rig.ask(show("4"))["id"], 4);
  EXPECT_EQ(rig.refusal(show("3")),
            "\"3\" names 2 sessions: give one of the outer addresses 198.51.100.4:4000, 198.51.100.6:4000");
  EXPECT_EQ(rig.ask(show("198.51.100.4:4000"))["id"], 3);
  EXPECT_EQ(rig.ask(show("198.51.100.6:4000"))["common_name"], "3");
}

TEST_F(SessionCommands, AKilledSessionIsTakenFromEveryWorkerAndHasNoLimitToChange) {
  EXPECT_EQ(rig_.ask({{"command", "session kill"}, {"session", "alice"}})["id"], 3);
  for (uint32_t worker = 0; worker < GatewayRig::kWorkers; ++worker) {
    std::vector<abi::Command> told = rig_.take_commands(worker);
    ASSERT_EQ(told.size(), 1u) << "worker " << worker;
    EXPECT_EQ(told[0].kind, CommandKind::kRemoveSession);
    EXPECT_EQ(told[0].session, alice_);
  }
  EXPECT_TRUE(rig_.refusal(limit("alice", {{"in", 1000}})).starts_with("no session \"alice\""));
  EXPECT_EQ(rig_.ask({{"command", "sessions"}}).size(), 1u);
}

}  // namespace
}  // namespace culvert::gateway
