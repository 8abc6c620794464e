// A dataplane dies, and the next one is there.
#include <gtest/gtest.h>

#include "tests/unit/gateway/gateway_rig.h"

namespace culvert::gateway {
namespace {

class NewDataplane : public ::testing::Test {
 protected:
  void take_commands() {
    abi::Command command{};
    for (uint32_t worker = 0; worker < GatewayRig::kWorkers; ++worker) {
      abi::Consumer<abi::Command, abi::CommandRing::kCapacity> reader(next_.view.worker(worker).commands);
      while (reader.pop(command) == abi::RingStatus::kOk) ++taken_;
    }
  }

  GatewayRig rig_;
  io::FakeLink next_{GatewayRig::kWorkers, 16, 2};
  size_t taken_ = 0;
};

/// In its ports, packets of these sessions may wait.
TEST_F(NewDataplane, HasItsSessionsBeforeItOpensPorts) {
  rig_.leave_session(3, "alice", 0);
  rig_.start();
  const size_t before = rig_.asked(abi::RequestKind::kOpenPort);
  rig_.replace_dataplane(next_);
  ASSERT_TRUE(rig_.run_until([&] { return next_.view.worker(0).commands.tail > 0; }));
  int passes = 0;
  ASSERT_TRUE(rig_.run_until([&] { return ++passes > 20; }));
  EXPECT_EQ(rig_.asked(abi::RequestKind::kOpenPort), before) << "no worker has taken the session yet";
  ASSERT_TRUE(rig_.run_until([&] {
    take_commands();
    return rig_.asked(abi::RequestKind::kOpenPort) > before;
  }));
  EXPECT_GE(taken_, 1u);
}

/// The number by which the interface's scripts know it.
TEST(IdentityOfTun, IsTheInterfacesNotTheDataplanes) {
  EXPECT_EQ(identity_of_tun("lo", 1), identity_of_tun("lo", 2));
  EXPECT_NE(identity_of_tun("lo", 1), 0u);
  EXPECT_EQ(identity_of_tun("no such one", 7), 7u);
}

}  // namespace
}  // namespace culvert::gateway
