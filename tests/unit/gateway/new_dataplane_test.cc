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

TEST_F(NewDataplane, GoesOnCountingWhatASessionHasCarried) {
  rig_.leave_session(3, "alice", 0);
  auto carried = [this] {
    const auto row = rig_.ask({{"command", "session show"}, {"session", "alice"}});
    return std::vector<uint64_t>{row["rx_bytes"], row["tx_bytes"], row["rx_packets"], row["tx_packets"]};
  };
  auto count = [](io::FakeLink& link, uint32_t generation, uint64_t times) {
    abi::WorkerRecord& worker = link.view.session(3).worker;
    worker.generation = generation;
    worker.rx_bytes = 1000 * times;
    worker.tx_bytes = 2000 * times;
    worker.rx_packets = 10 * times;
    worker.tx_packets = 20 * times;
  };
  count(rig_.link, 1, 1);
  rig_.start();
  EXPECT_EQ(carried(), (std::vector<uint64_t>{1000, 2000, 10, 20}));
  count(next_, 7, 1000);  // of another session, long ago
  rig_.replace_dataplane(next_);
  ASSERT_TRUE(rig_.run_until([&] { return next_.view.worker(0).commands.tail > 0; }));
  EXPECT_EQ(carried(), (std::vector<uint64_t>{1000, 2000, 10, 20}));
  count(next_, 1, 2);
  EXPECT_EQ(carried(), (std::vector<uint64_t>{3000, 6000, 30, 60}));
}

/// Of what lives on a connection, the dataplane knows whether that is there.
class NewDataplaneOverTcp : public NewDataplane {
 protected:
  void start() {
    const abi::SessionRef alice = rig_.leave_session(3, "alice", 0);
    abi::ControlRecord record = rig_.record(alice.peer_id);
    record.settings.remote.transport = abi::Transport::kTcp;
    record.settings.remote.stream = 77;
    remote_ = record.settings.remote;
    rig_.link.view.session(alice.peer_id).control.write(record);
    rig_.start();
  }
  size_t sessions() { return rig_.ask({{"command", "handover"}})["sessions_over_tcp"]; }
  abi::Event end_of_connection() const {
    abi::Event event{};
    event.kind = abi::EventKind::kStreamClosed;
    event.endpoint = remote_;
    event.port = 1;  // of the session's server block; 0 is kept free for the session, whose port is not found again
    event.session = {3, 1};
    return event;
  }
  bool is_open() {
    return rig_.run_until([&] {
      take_commands();
      return rig_.ask({{"command", "handover"}})["ready"] == true;
    });
  }
  void leave_the_dataplane() {
    rig_.replace_dataplane(next_);
    ASSERT_TRUE(rig_.run_until([&] { return next_.view.worker(0).commands.tail > 0; }));
    ASSERT_TRUE(is_open());
  }

  abi::Endpoint remote_;
};

TEST_F(NewDataplaneOverTcp, SessionsStayWithTheirConnections) {
  start();
  leave_the_dataplane();
  EXPECT_EQ(sessions(), 1u);
  EXPECT_GE(taken_, 1u) << "it was installed";
}

TEST_F(NewDataplaneOverTcp, SessionsEndWhoseConnectionsAreGone) {
  start();
  abi::Producer(next_.view.worker(0).events).push(end_of_connection());  // before control hears that the ports are open
  leave_the_dataplane();
  EXPECT_EQ(sessions(), 0u);
}

/// Its doorbell may be heard behind the end of its socket.
TEST_F(NewDataplaneOverTcp, TheLastWordsOfADataplaneAreHeard) {
  start();
  rig_.lose_dataplane();
  ASSERT_TRUE(rig_.run_until([&] { return rig_.ask({{"command", "handover"}})["ready"] == false; }));
  EXPECT_EQ(sessions(), 1u);
  abi::Producer(rig_.link.view.worker(0).events).push(end_of_connection());
  rig_.link.ring_control(0);
  EXPECT_TRUE(rig_.run_until([&] { return sessions() == 0; }));
}

/// The number by which the interface's scripts know it.
TEST(IdentityOfTun, IsTheInterfacesNotTheDataplanes) {
  EXPECT_EQ(identity_of_tun("lo", 1), identity_of_tun("lo", 2));
  EXPECT_NE(identity_of_tun("lo", 1), 0u);
  EXPECT_EQ(identity_of_tun("no such one", 7), 7u);
}

}  // namespace
}  // namespace culvert::gateway
