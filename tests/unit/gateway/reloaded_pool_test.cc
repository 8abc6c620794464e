// A reload that changes the pool: whose addresses are whose, for sessions inside the new one, outside of it, and gone.
#include <gtest/gtest.h>

#include "tests/unit/gateway/gateway_rig.h"

namespace culvert::gateway {
namespace {

class ReloadedPool : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(rig_.etc() + "/ccd");
    std::ifstream file(rig_.etc() + "/server.conf");
    std::string line;
    while (std::getline(file, line))
      if (!line.starts_with("server ")) rest_ += line + "\n";
    set_pool("10.8.0.100 10.8.0.200");
  }
  void set_pool(const std::string& range) {
    std::ofstream(rig_.etc() + "/server.conf", std::ios::trunc)
        << rest_ << "server 10.8.0.0 255.255.255.0 nopool\nclient-config-dir ccd\nifconfig-pool-persist pool.txt\n"
        << "ifconfig-pool " << range << "\n";
  }
  void reload_with(const std::string& range) {
    set_pool(range);
    rig_.ask({{"command", "reload"}});
  }
  /// A session that has 10.8.0.`last`.
  abi::SessionRef leave_session(uint32_t peer_id, const std::string& name, uint8_t last) {
    abi::SessionRef session = rig_.leave_session(peer_id, name, 0);
    abi::ControlRecord left = rig_.record(peer_id);
    left.settings.ip4 = {10, 8, 0, last};
    rig_.link.view.session(peer_id).control.write(left);
    return session;
  }
  nlohmann::json addresses_used() { return rig_.ask({{"command", "status"}})["addresses_used"]; }
  /// What ifconfig-pool-persist says at the end.
  std::string remembered() {
    rig_.gateway->stop();
    EXPECT_TRUE(rig_.run_until([&] { return rig_.gateway->finished(); }));
    std::ifstream file(rig_.etc() + "/pool.txt");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  GatewayRig rig_;
  std::string rest_;
};

TEST_F(ReloadedPool, AnAddressOutsideThatComesInsideIsTaken) {
  leave_session(3, "alice", 10);
  rig_.start();
  EXPECT_EQ(addresses_used(), 0);
  reload_with("10.8.0.10 10.8.0.200");
  EXPECT_EQ(addresses_used(), 1);
  EXPECT_EQ(remembered(), "alice,10.8.0.10,\n");
}

TEST_F(ReloadedPool, AnAddressThatWentOutsideIsTakenAgainWhenItComesBack) {
  leave_session(3, "alice", 150);
  rig_.start();
  EXPECT_EQ(addresses_used(), 1);
  reload_with("10.8.0.100 10.8.0.120");
  EXPECT_EQ(addresses_used(), 0);
  reload_with("10.8.0.100 10.8.0.200");
  EXPECT_EQ(addresses_used(), 1);
}

TEST_F(ReloadedPool, WhoHasLeftKeepsItsAddress) {
  leave_session(3, "alice", 110);
  rig_.start();
  rig_.ask({{"command", "session kill"}, {"session", "alice"}});
  reload_with("10.8.0.100 10.8.0.120");
  EXPECT_EQ(addresses_used(), 0);
  EXPECT_EQ(remembered(), "alice,10.8.0.110,\n");
}

}  // namespace
}  // namespace culvert::gateway
