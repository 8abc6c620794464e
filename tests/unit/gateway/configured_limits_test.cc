// Limits of the configuration: what a reload changes of connected sessions, and what it leaves alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

#include "control/gateway/limit_origin.h"
#include "tests/unit/gateway/gateway_rig.h"

namespace culvert::gateway {
namespace {

using abi::SessionLimit;
using nlohmann::json;

class ConfiguredLimits : public ::testing::Test {
 protected:
  explicit ConfiguredLimits(uint32_t sessions = 16) : rig_(sessions) {}
  void SetUp() override { std::filesystem::create_directory(rig_.etc() + "/ccd"); }
  void write(const std::string& file, const std::string& text) {
    std::ofstream(rig_.etc() + "/" + file, std::ios::trunc) << text;
  }
  void write_toml(const std::string& clients) {
    write("culvert.toml", "[clients]\n" + clients + "[[openvpn]]\nconfig = \"server.conf\"\n");
  }
  json reload() { return rig_.ask({{"command", "reload"}}); }
  void limit(const std::string& session, json request) {
    request["command"] = "session limit";
    request["session"] = session;
    rig_.ask(request);
  }
  SessionLimit of(uint32_t peer_id) { return rig_.record(peer_id).settings.limit; }
  /// Limits that workers were told since the last call, by peer-id; each session is told once at most.
  std::map<uint32_t, SessionLimit> told() {
    std::map<uint32_t, SessionLimit> limits;
    for (uint32_t worker = 0; worker < GatewayRig::kWorkers; ++worker)
      for (const abi::Command& command : rig_.take_commands(worker)) {
        EXPECT_EQ(command.kind, abi::CommandKind::kLimitSession);
        EXPECT_TRUE(limits.emplace(command.session.peer_id, command.body.limit).second);
      }
    return limits;
  }

  GatewayRig rig_;
};

TEST_F(ConfiguredLimits, AReloadChangesThoseThatItGave) {
  write_toml("limit_in = \"1M\"\n");
  rig_.leave_session(3, "alice", 1, {1'000'000, 0});
  rig_.leave_session(4, "bob", 0, {1'000'000, 0});
  rig_.start();
  EXPECT_TRUE(told().empty());
  reload();
  EXPECT_TRUE(told().empty()) << "nothing has changed";

  write_toml("limit_in = \"2M\"\nlimit_out = \"3M\"\n");
  EXPECT_EQ(reload()["applied"], (json{"[clients] limit_in", "[clients] limit_out"}));
  const SessionLimit next{2'000'000, 3'000'000};
  EXPECT_EQ(told(), (std::map<uint32_t, SessionLimit>{{3, next}, {4, next}}));
  EXPECT_EQ(of(3), next);

  write_toml("");
  reload();
  EXPECT_EQ(told(), (std::map<uint32_t, SessionLimit>{{3, {}}, {4, {}}}));
}

TEST_F(ConfiguredLimits, AnOperatorsOwnStaysInItsDirection) {
  write_toml("limit_in = \"1M\"\nlimit_out = \"1M\"\n");
  rig_.leave_session(3, "alice", 1, {1'000'000, 1'000'000});
  rig_.leave_session(4, "bob", 0, {1'000'000, 1'000'000});
  rig_.start();
  limit("alice", {{"in", 5000}});
  limit("bob", {{"in", 0}, {"out", 0}});
  told();
  for (const char* rate : {"2M", "3M"}) {
    write_toml("limit_in = \"" + std::string(rate) + "\"\nlimit_out = \"" + std::string(rate) + "\"\n");
    reload();
  }
  EXPECT_EQ(of(3), (SessionLimit{5000, 3'000'000}));
  EXPECT_EQ(of(4), SessionLimit{});
}

TEST_F(ConfiguredLimits, WhatAnEarlierControlLeftOtherwiseCountsAsAnOperators) {
  write_toml("limit_in = \"1M\"\n");
  rig_.leave_session(3, "alice", 1, {7000, 0});
  rig_.start();
  EXPECT_EQ(of(3), (SessionLimit{7000, 0}));
  write_toml("limit_in = \"2M\"\nlimit_out = \"2M\"\n");
  reload();
  EXPECT_EQ(of(3), (SessionLimit{7000, 2'000'000}));
}

TEST_F(ConfiguredLimits, TheClientsOwnFileGoesFirst) {
  rig_.add_to("server.conf", "client-config-dir ccd\n");
  write_toml("limit_out = \"1M\"\n");
  write("ccd/alice", "limit-out 9K\n");
  rig_.leave_session(3, "alice", 1, {0, 9000});
  rig_.leave_session(4, "bob", 0, {0, 1'000'000});
  rig_.start();
  write_toml("limit_out = \"2M\"\n");
  reload();
  EXPECT_EQ(told(), (std::map<uint32_t, SessionLimit>{{4, {0, 2'000'000}}}));
  write("ccd/alice", "limit-in 8K\nlimit-out none\n");
  reload();
  EXPECT_EQ(told(), (std::map<uint32_t, SessionLimit>{{3, {8000, 0}}}));

  write("ccd/alice", "\nlimit-in 8Q\n");
  json said = reload();
  EXPECT_EQ(
      said["warnings"],
      json{rig_.etc() + "/ccd/alice:2: limit-in: \"8Q\" is no limit: give bits per second, such as 800K, 20M or 1.5G "
                        "(1 to 400G), or none"});
  EXPECT_EQ(told(), (std::map<uint32_t, SessionLimit>{{3, {0, 2'000'000}}}));
}

TEST_F(ConfiguredLimits, AReloadThatNobodyWaitsForLogsItsWarnings) {
  rig_.add_to("server.conf", "client-config-dir ccd\n");
  rig_.leave_session(3, "alice", 1);
  rig_.start();
  std::vector<std::string> said;
  io::set_log_observer([&](io::LogLevel, std::string_view text) { said.emplace_back(text); });
  write("ccd/alice", "limit-in 8Q\n");
  EXPECT_TRUE(rig_.gateway->reload_and_log());  // as after SIGHUP
  io::set_log_observer({});
  EXPECT_TRUE(std::ranges::any_of(said, [](const std::string& text) {
    return text.find("ccd/alice:1: limit-in: \"8Q\" is no limit") != std::string::npos;
  }));
}

TEST_F(ConfiguredLimits, AWrongOneChangesNothing) {
  write_toml("limit_in = \"1M\"\n");
  rig_.leave_session(3, "alice", 1, {1'000'000, 0});
  rig_.start();
  write_toml("limit_in = \"1000T\"\n");
  std::string says = rig_.refusal({{"command", "reload"}});
  EXPECT_NE(says.find("culvert.toml:2: error: [clients] limit_in: \"1000T\" is no limit: give bits per second"),
            std::string::npos)
      << says;
  EXPECT_TRUE(told().empty());
  EXPECT_EQ(of(3), (SessionLimit{1'000'000, 0}));
}

TEST_F(ConfiguredLimits, AreInForceForConnectedClientsAfterARestartToo) {
  write_toml("limit_in = \"1M\"\nlimit_out = \"1M\"\n");
  rig_.leave_session(3, "alice", 1, {7000, 0});
  rig_.leave_session(4, "bob", 0, {7000, 0});
  rig_.start();
  limit("alice", {{"in", 1'000'000}});  // as if she had connected under this configuration, as far as it goes
  rig_.end_control();
  write_toml("limit_in = \"2M\"\nlimit_out = \"2M\"\n");
  rig_.start();
  EXPECT_EQ(of(3), (SessionLimit{2'000'000, 0}));
  EXPECT_EQ(of(4), (SessionLimit{7000, 0}));
  // They follow the next one as well.
  write_toml("");
  reload();
  EXPECT_EQ(of(3), SessionLimit{});
  EXPECT_EQ(of(4), (SessionLimit{7000, 0}));
}

/// More sessions than a pass of the loop looks at, each with a file of its own.
class ManyLimits : public ConfiguredLimits {
 protected:
  static constexpr uint32_t kSessions = 200;
  ManyLimits() : ConfiguredLimits(256) {}

  void SetUp() override {
    ConfiguredLimits::SetUp();
    rig_.add_to("server.conf", "client-config-dir ccd\n");
    write_files("1M");
    for (uint32_t id = 0; id < kSessions; ++id) rig_.leave_session(id, name(id), id % 2, {1'000'000, 0});
    rig_.start();
  }
  static std::string name(uint32_t id) { return "client" + std::to_string(id); }
  void write_files(const std::string& limit) {
    for (uint32_t id = 0; id < kSessions; ++id) write("ccd/" + name(id), "limit-in " + limit + "\n");
  }
  /// Runs until the last session has this limit, and counts how often each was told one.
  std::map<uint32_t, int> times_told_until(uint64_t limit) {
    std::map<uint32_t, int> times;
    auto collect = [&] {
      for (uint32_t worker = 0; worker < GatewayRig::kWorkers; ++worker)
        for (const abi::Command& command : rig_.take_commands(worker)) ++times[command.session.peer_id];
      return of(kSessions - 1).from_client == limit;
    };
    EXPECT_TRUE(rig_.run_until(collect));
    collect();
    return times;
  }
};

TEST_F(ManyLimits, AreFollowedInSeveralPasses) {
  write_files("2M");
  reload();
  EXPECT_NE(of(0), of(kSessions - 1)) << "the operator is answered before it is the last one's turn";
  const auto times = times_told_until(2'000'000);
  EXPECT_EQ(times.size(), kSessions);
  for (auto [peer_id, count] : times) EXPECT_EQ(count, 1) << peer_id;
  for (uint32_t id = 0; id < kSessions; ++id) EXPECT_EQ(of(id), (SessionLimit{2'000'000, 0})) << id;
}

TEST_F(ManyLimits, AnotherReloadInTheMiddleBeginsAnew) {
  write_files("2M");
  reload();
  write_files("3M");
  reload();
  const auto times = times_told_until(3'000'000);
  EXPECT_EQ(times.at(kSessions - 1), 1);
  for (uint32_t id = 0; id < kSessions; ++id) EXPECT_EQ(of(id), (SessionLimit{3'000'000, 0})) << id;
}

TEST_F(ManyLimits, SessionsMayEndMeanwhile) {
  write_files("2M");
  reload();
  rig_.ask({{"command", "session kill"}, {"session", name(kSessions - 2)}});
  std::ignore = rig_.run_until([&] { return of(kSessions - 1).from_client == 2'000'000; });
  EXPECT_EQ(of(kSessions - 1), (SessionLimit{2'000'000, 0}));
  EXPECT_EQ(rig_.record(kSessions - 2).state, abi::RecordState::kFree);
}

/// As ManyLimits, and a control that finds them: whose limits are as configured, which is another one now.
TEST_F(ConfiguredLimits, FilesOfAdoptedSessionsAreReadSomeAtATime) {
  GatewayRig rig(256);
  constexpr uint32_t kSessions = 200;
  rig.add_to("server.conf", "client-config-dir ccd\n");
  std::filesystem::create_directory(rig.etc() + "/ccd");
  for (uint32_t id = 0; id < kSessions; ++id) {
    const std::string name = "client" + std::to_string(id);
    std::ofstream(rig.etc() + "/ccd/" + name) << "limit-in 2M\n";
    rig.leave_session(id, name, id % 2, {1'000'000, 0});
    abi::ControlRecord left = rig.record(id);
    note_limit_origin(left, left.settings.limit);
    rig.link.view.session(id).control.write(left);
  }
  size_t told = 0;
  size_t most = 0;
  rig.after_pass = [&] {
    size_t now = 0;
    for (uint32_t worker = 0; worker < GatewayRig::kWorkers; ++worker)
      for (const abi::Command& command : rig.take_commands(worker))
        now += command.kind == abi::CommandKind::kLimitSession ? 1 : 0;
    told += now;
    most = std::max(most, now);
  };
  rig.start();
  EXPECT_TRUE(rig.run_until([&] { return told >= kSessions; })) << told;
  EXPECT_EQ(told, kSessions);
  EXPECT_LE(most, 64u);
  for (uint32_t id = 0; id < kSessions; ++id)
    EXPECT_EQ(rig.record(id).settings.limit, (SessionLimit{2'000'000, 0})) << id;
}

TEST_F(ConfiguredLimits, TimeoutsOfAdoptedSessionsAreThoseOfTheirFiles) {
  rig_.add_to("server.conf", "client-config-dir ccd\n");
  write("ccd/alice", "session-timeout 60\n");
  for (auto [peer_id, name] : {std::pair(3, "alice"), std::pair(4, "bob")}) {
    rig_.leave_session(static_cast<uint32_t>(peer_id), name, 1);
    abi::ControlRecord left = rig_.record(static_cast<uint32_t>(peer_id));
    left.connected_wall_seconds = static_cast<uint64_t>(io::now().wall.time_since_epoch().count() - 100);
    rig_.link.view.session(static_cast<uint32_t>(peer_id)).control.write(left);
  }
  rig_.start();
  EXPECT_TRUE(rig_.run_until([&] { return rig_.record(3).state == abi::RecordState::kFree; }));
  EXPECT_EQ(rig_.record(4).state, abi::RecordState::kConnected);
}

TEST_F(ConfiguredLimits, WhoseTheyAreOutlivesAChangeBeforeTheFileIsRead) {
  abi::ControlRecord record{};
  record.settings.limit = {5000, 1'000'000};
  note_limit_origin(record, {0, 1'000'000});  // one direction is an operator's
  const SessionLimit before = configured_before(record);
  abi::ControlRecord next{};
  next.settings.limit = {6000, 1'000'000};
  note_limit_origin(next, before);
  EXPECT_EQ(next.protocol_flags, record.protocol_flags);
  next.settings.limit = {5000, 7000};
  note_limit_origin(next, before);
  EXPECT_EQ(next.protocol_flags, 0u) << "the other one has become so, too";
}

}  // namespace
}  // namespace culvert::gateway
