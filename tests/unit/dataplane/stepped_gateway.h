// A gateway in a network namespace of its own, whose worker the test steps through.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "dataplane/gateway.h"
#include "tests/unit/dataplane/worker_rig.h"
#include "tests/unit/support/network_namespace.h"
#include "tests/unit/support/wait.h"

namespace culvert::testing {

class SteppedGateway : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!network_.why_not().empty()) GTEST_SKIP() << network_.why_not();
    if (access("/dev/net/tun", F_OK) != 0) GTEST_SKIP() << "no /dev/net/tun here";
  }
  void TearDown() override { rig_.path->set_inner_port(nullptr); }

  static abi::OpenTun tun(const char* name) {
    abi::OpenTun request{};
    std::strcpy(request.name.data(), name);
    request.mtu = 1500;
    request.addresses[0] = {*abi::parse_ip("10.8.0.1"), 24};
    return request;
  }
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
  bool logged(const std::string& part) const {
    return std::ranges::any_of(log_, [&](const std::string& line) { return line.find(part) != std::string::npos; });
  }

  NetworkNamespace network_;
  WorkerRig rig_;
  std::vector<std::string> log_;
  dataplane::Gateway gateway_{
      {{&rig_.mailbox, rig_.bell.get()}},
      {{rig_.pool.get()}, rig_.main_bell.get(), [this](const std::string& line) { log_.push_back(line); }}};
};

}  // namespace culvert::testing
