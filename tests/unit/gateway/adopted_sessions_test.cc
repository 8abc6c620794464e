// Sessions of the control before: what has happened since it ended, and what a reload takes away from them.
#include <gtest/gtest.h>

#include "tests/unit/gateway/gateway_rig.h"

namespace culvert::gateway {
namespace {

class AdoptedSessions : public ::testing::Test {
 protected:
  std::string add_client(const std::string& name) {
    auto row = pki::add_client({.folder = rig_.etc(), .name = name, .remote = ""}, io::now().wall);
    EXPECT_TRUE(row) << row.error();
    return row ? row->serial : "";
  }
  void leave_session(uint32_t peer_id, const std::string& name, const std::string& serial) {
    rig_.leave_session(peer_id, name, 0);
    abi::ControlRecord left = rig_.record(peer_id);
    std::copy(serial.begin(), serial.end(), left.certificate_serial.begin());
    rig_.link.view.session(peer_id).control.write(left);
  }

  /// Was each worker told, at the start of this control, to forget the session?
  bool is_forgotten(abi::SessionRef session) const {
    return std::ranges::all_of(rig_.told_at_start, [session](const std::vector<abi::Command>& commands) {
      return std::ranges::any_of(commands, [session](const abi::Command& command) {
        return command.kind == abi::CommandKind::kRemoveSession && command.session == session;
      });
    });
  }
  template <class Change>
  void change_record(uint32_t peer_id, Change change) {
    abi::ControlRecord left = rig_.record(peer_id);
    change(left);
    rig_.link.view.session(peer_id).control.write(left);
  }

  GatewayRig rig_;
};

/// Else two clients would have it as soon as the pool gives it to another.
TEST_F(AdoptedSessions, EndWhoseAddressThePoolDoesNotHaveAnyMore) {
  const abi::SessionRef alice = rig_.leave_session(3, "alice", 0);
  const abi::SessionRef bob = rig_.leave_session(4, "bob", 0);
  change_record(3, [](abi::ControlRecord& record) { record.settings.ip4 = {10, 9, 0, 5}; });
  rig_.start();
  EXPECT_EQ(rig_.record(3).state, abi::RecordState::kFree);
  EXPECT_EQ(rig_.record(3).generation, alice.generation) << "the number's next life comes behind it";
  EXPECT_TRUE(is_forgotten(alice));
  EXPECT_EQ(rig_.record(4).state, abi::RecordState::kConnected);
  EXPECT_FALSE(is_forgotten(bob));
}

/// The control before died between installing one and writing down whose it is.
TEST_F(AdoptedSessions, AreNotThoseThatOnlyTheDataplaneKnows) {
  rig_.link.view.session(5).worker.generation = 7;
  rig_.start();
  EXPECT_TRUE(is_forgotten({5, 7}));
  EXPECT_EQ(rig_.ask({{"command", "sessions"}}).size(), 0u);
}

TEST_F(AdoptedSessions, LeaveTheirAddressToOthersWhenTheyMakeNoSense) {
  rig_.leave_session(3, "alice", 0);
  rig_.leave_session(4, "bob", 0);
  change_record(3, [](abi::ControlRecord& record) {
    record.cipher = abi::Cipher{99};
    record.settings.ip4 = {10, 8, 0, 6};  // bob's
  });
  rig_.start();
  EXPECT_EQ(rig_.record(3).state, abi::RecordState::kFree);
  EXPECT_EQ(rig_.record(4).state, abi::RecordState::kConnected);
}

TEST_F(AdoptedSessions, GiveTheirAddressBackWhenTheyEnd) {
  rig_.leave_session(3, "alice", 0);
  rig_.start();
  auto used = [this] { return rig_.ask({{"command", "status"}})["addresses_used"].get<uint64_t>(); };
  EXPECT_EQ(used(), 1u);
  rig_.ask({{"command", "session kill"}, {"session", "alice"}});
  EXPECT_EQ(used(), 0u);
}

TEST_F(AdoptedSessions, TellTheOtherWorkersWhenTheirClientMoves) {
  const abi::SessionRef alice = rig_.leave_session(3, "alice", 0);
  rig_.start();
  abi::Event floated{};
  floated.kind = abi::EventKind::kFloated;
  floated.session = alice;
  floated.endpoint = rig_.record(3).settings.remote;
  floated.endpoint.port = 4711;
  floated.port = rig_.record(3).settings.port;
  abi::Producer(rig_.link.view.worker(0).events).push(floated);
  rig_.link.ring_control(0);
  EXPECT_TRUE(rig_.run_until([&] { return rig_.record(3).settings.remote == floated.endpoint; }));
  auto moves = [this](uint32_t worker) {
    return std::ranges::count(rig_.take_commands(worker), abi::CommandKind::kMoveSession, &abi::Command::kind);
  };
  EXPECT_EQ(moves(1), 1);
  EXPECT_EQ(moves(0), 0) << "the owner has said it";
}

TEST_F(AdoptedSessions, AreWhereTheirClientsHaveMovedMeanwhile) {
  rig_.leave_session(3, "alice", 0);
  rig_.leave_session(4, "bob", 0);
  abi::Endpoint moved = rig_.record(3).settings.remote;
  moved.port = 4711;
  rig_.link.view.session(3).worker.remote.write(moved);
  rig_.link.view.session(4).worker.remote.write(moved);
  rig_.link.view.session(4).worker.generation = 2;  // not the session that the record is of
  rig_.start();
  auto remote = [&](const char* name) {
    return rig_.ask({{"command", "session show"}, {"session", name}})["remote"].get<std::string>();
  };
  EXPECT_EQ(remote("alice"), abi::to_text(moved));
  EXPECT_TRUE(remote("bob").ends_with(":4000")) << remote("bob");
}

TEST_F(AdoptedSessions, EndWhenTheirCertificateWasRevokedMeanwhile) {
  leave_session(3, "alice", add_client("alice"));
  leave_session(4, "bob", add_client("bob"));
  auto revoked = pki::revoke_client(rig_.etc(), "alice", io::now().wall);
  ASSERT_TRUE(revoked) << revoked.error();
  rig_.start();
  EXPECT_TRUE(rig_.run_until([&] { return rig_.record(3).state == abi::RecordState::kFree; }));
  EXPECT_EQ(rig_.record(4).state, abi::RecordState::kConnected);
}

TEST_F(AdoptedSessions, LeaveWithoutAScriptThatAReloadTookAway) {
  std::string text;
  {
    std::ifstream file(rig_.etc() + "/server.conf");
    text.assign(std::istreambuf_iterator<char>(file), {});
  }
  rig_.add_to("server.conf", "script-security 2\nclient-disconnect /bin/false\n");
  rig_.leave_session(3, "alice", 1);
  rig_.start();
  std::ofstream(rig_.etc() + "/server.conf", std::ios::trunc) << text << "script-security 2\n";
  rig_.ask({{"command", "reload"}});
  std::vector<std::string> said;
  rig_.ask({{"command", "session kill"}, {"session", "alice"}});
  io::set_log_observer([&](io::LogLevel level, std::string_view line) {
    if (level != io::LogLevel::kInfo) said.emplace_back(line);
  });
  rig_.gateway->stop();  // waits for scripts
  EXPECT_TRUE(rig_.run_until([&] { return rig_.gateway->finished(); }));
  io::set_log_observer({});
  EXPECT_EQ(said, std::vector<std::string>{});
}

}  // namespace
}  // namespace culvert::gateway
