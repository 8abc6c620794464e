// A gateway in a network namespace of its own, whose worker the test steps through.
#pragma once

#include <unistd.h>

#include <atomic>
#include <thread>

#include "tests/unit/dataplane/gateway_fixture.h"
#include "tests/unit/support/wait.h"

namespace culvert::testing {

class SteppedGateway : public GatewayFixture {
 protected:
  void SetUp() override {
    GatewayFixture::SetUp();
    if (!IsSkipped() && access("/dev/net/tun", F_OK) != 0) GTEST_SKIP() << "no /dev/net/tun here";
  }
  void TearDown() override { rig_.path->set_inner_port(nullptr); }

  /// As control asks for it; the worker passes meanwhile.
  void open_tun(const abi::OpenTun& request) {
    std::atomic<bool> opened{false};
    std::thread main([&] {
      auto done = gateway_.open_tun(request);
      EXPECT_TRUE(done) << done.error();
      opened = true;
    });
    EXPECT_TRUE(wait_until([&] {
      rig_.pass();
      return opened.load();
    }));
    main.join();
  }
};

}  // namespace culvert::testing
