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

  GatewayRig rig_;
};

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
