// A gateway in a network namespace of its own.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "dataplane/gateway.h"
#include "tests/unit/dataplane/worker_rig.h"
#include "tests/unit/support/network_namespace.h"

namespace culvert::testing {

/// How its worker passes is up to who derives from this.
class GatewayFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!network_.why_not().empty()) GTEST_SKIP() << network_.why_not();
  }

  static abi::OpenTun tun(const char* name) {
    abi::OpenTun request{};
    std::strcpy(request.name.data(), name);
    request.mtu = 1500;
    request.addresses[0] = {*abi::parse_ip("10.8.0.1"), 24};
    return request;
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
