// A control that takes sessions over: the networks behind their clients, wherever those came from.
#include <gtest/gtest.h>

#include "tests/unit/gateway/gateway_rig.h"

namespace culvert::gateway {
namespace {

using Networks = std::vector<abi::InnerPrefix>;

const abi::InnerPrefix kOffice{abi::ipv4({198, 51, 100, 0}), 24};
const abi::InnerPrefix kLab{abi::ipv6({0xfd, 0x44}), 64};

class AdoptedNetworks : public ::testing::Test {
 protected:
  /// Networks that the next dataplane is told to route to the session. Sessions are installed with all that they have
  /// before control goes on.
  Networks routed_in(io::FakeLink& next, abi::SessionRef session) {
    Networks networks;
    bool whole = false;
    abi::Consumer<abi::Command, abi::CommandRing::kCapacity> commands(next.view.worker(0).commands);
    EXPECT_TRUE(rig_.run_until([&] {
      abi::Command command{};
      while (commands.pop(command) == abi::RingStatus::kOk) {
        whole = whole || command.kind == abi::CommandKind::kInstallSession;
        if (command.kind == abi::CommandKind::kAddRoute && command.session == session)
          networks.push_back(command.body.route);
      }
      return whole;
    }));
    return networks;
  }

  GatewayRig rig_;
  io::FakeLink next_{GatewayRig::kWorkers, 16, 2};
};

bool are_same(const Networks& a, const Networks& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return x.address == y.address && x.length == y.length; });
}

TEST_F(AdoptedNetworks, AreRoutedByANewDataplaneAndByTheOneAfterIt) {
  abi::SessionRef alice = rig_.leave_session(3, "alice", 0);
  rig_.leave_networks(alice, Networks{kOffice, kLab});
  rig_.start();
  rig_.replace_dataplane(next_);
  EXPECT_TRUE(are_same(routed_in(next_, alice), {kOffice, kLab}));
  auto carried = read_networks(next_.view.networks(3), alice.generation);
  ASSERT_TRUE(carried) << "and a control that takes over from this one knows as well";
  EXPECT_TRUE(are_same(*carried, {kOffice, kLab}));
}

TEST_F(AdoptedNetworks, WhatTheFileOfTheClientSaysByNowIsNotWhatIsRouted) {
  std::filesystem::create_directory(rig_.etc() + "/ccd");
  rig_.add_to("ccd/alice", "iroute 203.0.113.0 255.255.255.0\n");
  rig_.add_to("server.conf", "client-config-dir ccd\n");
  abi::SessionRef alice = rig_.leave_session(3, "alice", 0);
  rig_.leave_networks(alice, Networks{kOffice});
  rig_.start();
  rig_.replace_dataplane(next_);
  EXPECT_TRUE(are_same(routed_in(next_, alice), {kOffice}));
}

TEST_F(AdoptedNetworks, OfTwoThatHaveTheSameTheYoungerKeepsIt) {
  abi::SessionRef younger = rig_.leave_session(3, "alice", 0), older = rig_.leave_session(4, "bob", 0);
  for (auto [session, since] : {std::pair{younger, 2000}, {older, 1000}}) {
    rig_.leave_networks(session, Networks{kOffice});
    abi::ControlRecord record = rig_.record(session.peer_id);
    record.connected_wall_seconds = static_cast<uint64_t>(since);
    rig_.link.view.session(session.peer_id).control.write(record);
  }
  rig_.start();
  EXPECT_TRUE(are_same(read_networks(rig_.link.view.networks(4), older.generation).value_or(Networks{kLab}), {}));
  rig_.replace_dataplane(next_);
  EXPECT_TRUE(are_same(routed_in(next_, younger), {kOffice}));
  EXPECT_TRUE(are_same(read_networks(next_.view.networks(4), older.generation).value_or(Networks{kLab}), {}));
}

TEST_F(AdoptedNetworks, WhatMakesNoSenseIsSaidAndNotRouted) {
  abi::SessionRef alice = rig_.leave_session(3, "alice", 0);
  rig_.leave_networks(alice, Networks{kOffice});
  rig_.link.view.networks(3).count = UINT32_MAX;
  ::testing::internal::CaptureStderr();
  rig_.start();
  std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("the networks behind alice (id 3) makes no sense"), std::string::npos) << log;
  rig_.replace_dataplane(next_);
  EXPECT_TRUE(are_same(routed_in(next_, alice), {}));
}

TEST_F(AdoptedNetworks, LearnAddressIsToldOfTheirEnd) {
  const std::string said = rig_.etc() + "/said";
  rig_.add_to("learn", "#!/bin/sh\necho \"$1 $2\" >> " + said + "\n");
  std::filesystem::permissions(rig_.etc() + "/learn", std::filesystem::perms::owner_all);
  rig_.add_to("server.conf", "script-security 2\nlearn-address " + rig_.etc() + "/learn\n");
  abi::SessionRef alice = rig_.leave_session(3, "alice", 0);
  rig_.leave_networks(alice, Networks{kOffice});
  rig_.start();
  rig_.ask({{"command", "session kill"}, {"session", "alice"}});
  auto text = [&] {
    std::ifstream file(said);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  EXPECT_TRUE(rig_.run_until([&] { return text().find("delete 198.51.100.0/24\n") != std::string::npos; })) << text();
}

}  // namespace
}  // namespace culvert::gateway
