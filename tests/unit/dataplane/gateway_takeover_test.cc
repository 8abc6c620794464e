// A dataplane that goes on with the sockets and the TUN of the one before.
#include <gtest/gtest.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cstring>
#include <optional>
#include <thread>

#include "dataplane/clock.h"
#include "dataplane/gateway.h"
#include "drivers/socket_address.h"
#include "tests/unit/dataplane/fake_keeper.h"
#include "tests/unit/dataplane/worker_rig.h"
#include "tests/unit/support/delete_interface.h"
#include "tests/unit/support/network_namespace.h"
#include "tests/unit/support/wait.h"

namespace culvert::dataplane {
namespace {

using abi::Counter;
using testing::endpoint;

/// One dataplane's life.
struct Life {
  explicit Life(testing::FakeKeeper& keeper)
      : store(keeper.store()),
        gateway({{&rig.mailbox, rig.bell.get()}}, {.packets = {rig.pool.get()},
                                                   .main_doorbell = rig.main_bell.get(),
                                                   .log = [this](const std::string& line) { log.push_back(line); },
                                                   .store = &store}) {}
  ~Life() {
    rig.worker->stop();
    if (thread.joinable()) thread.join();
    for (uint16_t i = 0; i < 2; ++i) rig.path->set_outer_port(i, nullptr);
    rig.path->set_inner_port(nullptr);
  }
  /// Ends in good order.
  void leave() {
    rig.worker->stop();
    thread.join();
    gateway.leave_streams();
  }
  /// Has the worker run.
  Gateway& start() {
    thread = std::thread([this] { rig.worker->run(); });
    return gateway;
  }
  bool logged(const std::string& part) const {
    return std::ranges::any_of(log, [&](const std::string& line) { return line.find(part) != std::string::npos; });
  }
  /// As of the last time that the worker said it.
  uint64_t count(Counter counter) { return rig.area.counters.read().counters[static_cast<size_t>(counter)]; }

  testing::WorkerRig rig;
  DescriptorStore store;
  std::vector<std::string> log;
  Gateway gateway;
  std::thread thread;
};

abi::OpenPort port(uint16_t index, uint16_t number, abi::Transport transport = abi::Transport::kUdp) {
  abi::OpenPort request{};
  request.port = index;
  request.local = endpoint("127.0.0.1", number, transport);
  request.hand_window = 60;
  return request;
}
abi::OpenTun tun(const char* name) {
  abi::OpenTun request{};
  std::strcpy(request.name.data(), name);
  request.mtu = 1500;
  request.addresses[0] = {*abi::parse_ip("10.8.0.1"), 24};
  return request;
}

/// Where packets for port 127.0.0.1:`number` come from.
drivers::FileDescriptor client_of(uint16_t number, int type = SOCK_DGRAM) {
  drivers::FileDescriptor fd(socket(AF_INET, type | SOCK_CLOEXEC, 0));
  drivers::SocketAddress address;
  const socklen_t size = drivers::to_socket_address(endpoint("127.0.0.1", number), AF_INET, address);
  if (connect(fd.get(), &address.any, size) != 0) fd.reset();
  return fd;
}

class Takeover : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!network_.why_not().empty()) GTEST_SKIP() << network_.why_not();
    life_.emplace(keeper_).start();
    ASSERT_TRUE(life_->gateway.open_tun(tun("cvt0")));
    ASSERT_TRUE(life_->gateway.open_port(port(0, 1194)));
    ASSERT_TRUE(keeps(2));
  }
  /// Does the keeper have so many, as soon as it has heard of all?
  bool keeps(size_t count) {
    return testing::wait_until([&] { return keeper_.names().size() == count; });
  }
  /// The dataplane dies.
  void die() { life_.reset(); }
  Gateway& next() { return life_.emplace(keeper_).start(); }

  testing::NetworkNamespace network_;
  testing::FakeKeeper keeper_;
  std::optional<Life> life_;
};

TEST_F(Takeover, WhatCameMeanwhileIsReceivedWhenAllIsOpenAgain) {
  const unsigned index = if_nametoindex("cvt0");
  const auto client = client_of(1194);
  die();
  for (int i = 0; i < 3; ++i) ASSERT_EQ(send(client.get(), "waits", 5, 0), 5) << "nobody is there to hear";
  EXPECT_EQ(if_nametoindex("cvt0"), index) << "it was there all the time";
  Gateway& gateway = life_.emplace(keeper_).gateway;
  // No worker is asked to take it: without the TUN, packets would have nowhere to go.
  ASSERT_TRUE(gateway.open_port(port(0, 1194)));
  life_->start();
  auto opened = gateway.open_tun(tun("cvt0"));
  ASSERT_TRUE(opened) << opened.error();
  EXPECT_EQ(*opened, "cvt0");
  EXPECT_EQ(if_nametoindex("cvt0"), index);
  EXPECT_TRUE(testing::wait_until([&] { return life_->count(Counter::outer_rx_packets) == 3; }));
  EXPECT_TRUE(life_->logged("port 0: its sockets are those of the dataplane before"));
}

TEST_F(Takeover, OtherOptionsAreNotInTheWayOfEachOther) {
  die();
  Gateway& gateway = next();
  ASSERT_TRUE(gateway.open_tun(tun("other0")));
  EXPECT_EQ(if_nametoindex("cvt0"), 0u) << "nobody asked for it";
  abi::OpenPort request = port(0, 1194);
  request.receive_buffer = 100'000;
  auto opened = gateway.open_port(request);
  ASSERT_TRUE(opened) << opened.error();
  EXPECT_TRUE(keeps(2)) << "those instead";
  const auto client = client_of(1194);
  EXPECT_TRUE(testing::wait_until([&] {
    send(client.get(), "heard", 5, 0);
    return life_->count(Counter::outer_rx_packets) > 0;
  }));
}

TEST_F(Takeover, WhatControlNoLongerWantsIsClosedAndHoldsNothingUp) {
  die();
  Gateway& gateway = next();
  ASSERT_TRUE(gateway.open_tun(tun("cvt0")));
  ASSERT_TRUE(gateway.open_port(port(0, 1195)));
  EXPECT_LE(gateway.deadline_ns(), monotonic_ns() + Gateway::kTakeover);
  gateway.look_after(gateway.deadline_ns() - 1);
  EXPECT_TRUE(keeps(3)) << "1194 may still be asked for";
  gateway.look_after(gateway.deadline_ns());
  EXPECT_EQ(gateway.deadline_ns(), UINT64_MAX);
  EXPECT_TRUE(life_->logged("control has not asked for"));
  EXPECT_TRUE(keeps(2));
  drivers::UdpSettings settings;
  settings.local = endpoint("127.0.0.1", 1194);
  EXPECT_TRUE(drivers::open_udp_socket(settings));
  const auto client = client_of(1195);
  EXPECT_TRUE(testing::wait_until([&] {
    send(client.get(), "heard", 5, 0);
    return life_->count(Counter::outer_rx_packets) > 0;
  }));
}

TEST_F(Takeover, AClosedPortIsFreeAtOnce) {
  ASSERT_TRUE(life_->gateway.open_port(port(1, 1195)));
  ASSERT_TRUE(life_->gateway.keep_ports({{2, 0, 0, 0}}));
  drivers::UdpSettings settings;
  settings.local = endpoint("127.0.0.1", 1194);
  EXPECT_TRUE(drivers::open_udp_socket(settings)) << "no copy is left";
  abi::OpenPort marked = port(1, 1195);
  marked.receive_buffer = 100'000;
  auto moved = life_->gateway.open_port(marked);
  EXPECT_TRUE(moved) << moved.error();
}

TEST_F(Takeover, ADeletedTunIsMadeAnew) {
  const unsigned index = if_nametoindex("cvt0");
  die();
  {
    drivers::TunSettings settings;
    settings.name = "cvt0";
    EXPECT_FALSE(drivers::make_tun(settings)) << "it is kept";
  }
  testing::delete_interface("cvt0");
  Gateway& gateway = next();
  ASSERT_TRUE(gateway.open_port(port(0, 1194)));
  auto made = gateway.open_tun(tun("cvt0"));
  ASSERT_TRUE(made) << made.error();
  EXPECT_NE(if_nametoindex("cvt0"), index);
  EXPECT_TRUE(keeps(2));
}

TEST_F(Takeover, ConnectionsOverTcpThatNobodyAcceptedWait) {
  ASSERT_TRUE(life_->gateway.open_port(port(1, 1195, abi::Transport::kTcp)));
  ASSERT_TRUE(keeps(3));
  die();
  const auto client = client_of(1195, SOCK_STREAM);
  ASSERT_TRUE(client) << "refused";
  Gateway& gateway = next();
  ASSERT_TRUE(gateway.open_tun(tun("cvt0")));
  ASSERT_TRUE(gateway.open_port(port(0, 1194)));
  ASSERT_TRUE(gateway.open_port(port(1, 1195, abi::Transport::kTcp)));
  const std::array<uint8_t, 18> frame = {0, 16, 0x38};  // length, then a client's first opcode
  ASSERT_EQ(send(client.get(), frame.data(), frame.size(), MSG_NOSIGNAL), ssize_t{frame.size()});
  EXPECT_TRUE(testing::wait_until([&] { return life_->count(Counter::outer_rx_packets) == 1; }));
}

class TakeoverOfStreams : public Takeover {
 protected:
  void SetUp() override {
    Takeover::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    ASSERT_TRUE(life_->gateway.open_port(port(1, 1195, abi::Transport::kTcp)));
    client_ = client_of(1195, SOCK_STREAM);
    ASSERT_TRUE(client_);
    say_something();
    ASSERT_TRUE(testing::wait_until([&] { return life_->count(Counter::outer_rx_packets) == 1; }));
  }
  void say_something() const {
    const std::array<uint8_t, 18> frame = {0, 16, 0x38};  // length, then a client's first opcode
    ASSERT_EQ(send(client_.get(), frame.data(), frame.size(), MSG_NOSIGNAL), ssize_t{frame.size()});
  }
  /// Without the TCP port.
  Gateway& next_opens() {
    Gateway& gateway = next();
    EXPECT_TRUE(gateway.open_tun(tun("cvt0")));
    EXPECT_TRUE(gateway.open_port(port(0, 1194)));
    return gateway;
  }
  bool client_sees_the_end() const {
    return testing::wait_until([&] {
      char byte = 0;
      const ssize_t got = recv(client_.get(), &byte, 1, MSG_DONTWAIT);
      return got == 0 || (got < 0 && errno != EAGAIN);
    });
  }

  drivers::FileDescriptor client_;
};

TEST_F(TakeoverOfStreams, ConnectionsGoOn) {
  for (int round = 0; round < 2; ++round) {
    life_->leave();
    EXPECT_TRUE(life_->logged("leaving 1 TCP connection(s) to the next dataplane"));
    die();
    EXPECT_TRUE(keeps(4)) << "TUN, two ports, all connections";
    say_something();
    ASSERT_TRUE(next_opens().open_port(port(1, 1195, abi::Transport::kTcp)));
    EXPECT_TRUE(life_->logged("with 1 connection(s)"));
    EXPECT_TRUE(keeps(3));
    EXPECT_TRUE(testing::wait_until([&] { return life_->count(Counter::outer_rx_packets) == 1; }));
  }
}

TEST_F(TakeoverOfStreams, WhoseDataplaneDiedAreClosed) {
  die();
  ASSERT_TRUE(next_opens().open_port(port(1, 1195, abi::Transport::kTcp)));
  EXPECT_TRUE(client_sees_the_end());
}

TEST_F(TakeoverOfStreams, WhosePortNobodyAsksForAreClosed) {
  life_->leave();
  die();
  Gateway& gateway = next_opens();
  gateway.look_after(gateway.deadline_ns());
  EXPECT_TRUE(client_sees_the_end());
  EXPECT_TRUE(keeps(2));
}

TEST_F(TakeoverOfStreams, WhosePortHasOtherOptionsAreClosed) {
  life_->leave();
  die();
  Gateway& gateway = next_opens();
  abi::OpenPort request = port(1, 1195, abi::Transport::kTcp);
  request.receive_buffer = 100'000;
  ASSERT_TRUE(gateway.open_port(request));
  if (gateway.deadline_ns() != UINT64_MAX) gateway.look_after(gateway.deadline_ns());
  EXPECT_TRUE(client_sees_the_end());
}

TEST_F(Takeover, TwoLivesLaterItIsStillThere) {
  const unsigned index = if_nametoindex("cvt0");
  for (int round = 0; round < 2; ++round) {
    die();
    Gateway& gateway = next();
    ASSERT_TRUE(gateway.open_tun(tun("cvt0")));
    ASSERT_TRUE(gateway.open_port(port(0, 1194)));
    EXPECT_EQ(if_nametoindex("cvt0"), index);
  }
  EXPECT_TRUE(keeps(2));
}

}  // namespace
}  // namespace culvert::dataplane
