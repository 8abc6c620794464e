// Ports and TUN on control's request, with a worker that runs meanwhile.
#include "dataplane/gateway.h"

#include <gtest/gtest.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>

#include <cstring>
#include <thread>

#include "dataplane/clock.h"
#include "tests/unit/dataplane/gateway_fixture.h"
#include "tests/unit/support/delete_interface.h"
#include "tests/unit/support/wait.h"

namespace culvert::dataplane {
namespace {

class GatewayTest : public testing::GatewayFixture {
 protected:
  void SetUp() override {
    GatewayFixture::SetUp();
    if (IsSkipped()) return;
    thread_ = std::thread([this] { rig_.worker->run(); });
  }
  void TearDown() override {
    if (thread_.joinable()) {
      rig_.worker->stop();
      thread_.join();
    }
    rig_.path->set_outer_port(0, nullptr);
    rig_.path->set_outer_port(1, nullptr);
    rig_.path->set_inner_port(nullptr);
  }
  static abi::OpenPort port(uint16_t index, const std::string& address, uint16_t number) {
    abi::OpenPort request{};
    request.port = index;
    request.local = testing::endpoint(address, number);
    return request;
  }
  static bool is_free(const std::string& address, uint16_t number) {
    drivers::UdpSettings settings;
    settings.local = testing::endpoint(address, number);
    return static_cast<bool>(drivers::open_udp_socket(settings));
  }

  std::thread thread_;
};

TEST_F(GatewayTest, OpensKeepsAndClosesPorts) {
  ASSERT_TRUE(gateway_.open_port(port(0, "127.0.0.1", 1194)));
  ASSERT_TRUE(gateway_.open_port(port(1, "127.0.0.1", 1195)));
  EXPECT_FALSE(is_free("127.0.0.1", 1194));
  EXPECT_TRUE(gateway_.open_port(port(0, "127.0.0.1", 1194))) << "again changes nothing";
  EXPECT_EQ(std::count_if(log_.begin(), log_.end(), [](auto& line) { return line.starts_with("port 0:"); }), 1);

  ASSERT_TRUE(gateway_.keep_ports({{2, 0, 0, 0}}));
  EXPECT_TRUE(is_free("127.0.0.1", 1194));
  EXPECT_FALSE(is_free("127.0.0.1", 1195));
}

TEST_F(GatewayTest, APortIsFoundByWhatItIs) {
  abi::OpenPort other = port(7, "127.0.0.1", 1194);
  EXPECT_EQ(*gateway_.find_port(other), "") << "there is none yet";
  ASSERT_TRUE(gateway_.open_port(other));
  ASSERT_TRUE(gateway_.open_port(port(1, "127.0.0.1", 1195)));
  EXPECT_EQ(*gateway_.find_port(port(abi::kFindPort, "127.0.0.1", 1194)), "7");
  EXPECT_EQ(*gateway_.find_port(port(abi::kFindPort, "127.0.0.1", 1195)), "1");
  abi::OpenPort marked = port(abi::kFindPort, "127.0.0.1", 1194);
  marked.mark = 5, marked.receive_buffer = 100'000;
  EXPECT_EQ(*gateway_.find_port(marked), "7") << "options are no part of what it is";
  EXPECT_EQ(*gateway_.find_port(port(abi::kFindPort, "127.0.0.2", 1194)), "");
  EXPECT_EQ(*gateway_.find_port(port(abi::kFindPort, "127.0.0.1", 1196)), "");
  abi::OpenPort tcp = port(abi::kFindPort, "127.0.0.1", 1194);
  tcp.local.transport = abi::Transport::kTcp;
  tcp.hand_window = 60;
  EXPECT_EQ(*gateway_.find_port(tcp), "");
  abi::OpenPort bound = port(abi::kFindPort, "127.0.0.1", 1194);
  std::strcpy(bound.device.data(), "lo");
  EXPECT_EQ(*gateway_.find_port(bound), "");
  ASSERT_TRUE(gateway_.keep_ports({{2, 0, 0, 0}}));
  EXPECT_EQ(*gateway_.find_port(port(abi::kFindPort, "127.0.0.1", 1194)), "") << "closed";
}

TEST_F(GatewayTest, APortMovesToAnotherAddressOrOptions) {
  ASSERT_TRUE(gateway_.open_port(port(0, "127.0.0.1", 1194)));
  ASSERT_TRUE(gateway_.open_port(port(0, "0.0.0.0", 1194))) << "the old socket is not in the way";
  EXPECT_FALSE(is_free("127.0.0.2", 1194));
  ASSERT_TRUE(gateway_.open_port(port(0, "127.0.0.1", 2000)));
  EXPECT_TRUE(is_free("127.0.0.1", 1194));
  abi::OpenPort marked = port(0, "127.0.0.1", 2000);
  marked.mark = 5;
  EXPECT_TRUE(gateway_.open_port(marked));
}

TEST_F(GatewayTest, ATakenPortIsNamedAndTheOldOneStays) {
  drivers::UdpSettings settings;
  settings.local = testing::endpoint("127.0.0.1", 3000);
  auto other = drivers::open_udp_socket(settings);
  ASSERT_TRUE(other);
  ASSERT_TRUE(gateway_.open_port(port(0, "127.0.0.1", 1194)));
  auto failed = gateway_.open_port(port(0, "127.0.0.1", 3000));
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().find("127.0.0.1:3000: port 3000 is taken"), std::string::npos) << failed.error();
  EXPECT_FALSE(is_free("127.0.0.1", 1194));
}

TEST_F(GatewayTest, ThePortOfBeforeIsBackWhereAnotherAddressCannotBeHad) {
  ASSERT_TRUE(gateway_.open_port(port(0, "127.0.0.1", 1194)));
  auto failed = gateway_.open_port(port(0, "192.0.2.7", 1194));  // nobody's address
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().find("192.0.2.7:1194"), std::string::npos) << failed.error();
  EXPECT_FALSE(is_free("127.0.0.1", 1194));
  EXPECT_EQ(*gateway_.find_port(port(abi::kFindPort, "127.0.0.1", 1194)), "0");
  EXPECT_TRUE(gateway_.open_port(port(0, "0.0.0.0", 1194)));
}

TEST_F(GatewayTest, TunIsMadeOnceAndReconfigured) {
  auto made = gateway_.open_tun(tun("cvt%d"));
  ASSERT_TRUE(made) << made.error();
  EXPECT_EQ(*made, "cvt0");
  unsigned index = if_nametoindex("cvt0");
  for (const char* name : {"cvt%d", "cvt0"}) {
    abi::OpenTun request = tun(name);
    request.mtu = 1400;
    auto again = gateway_.open_tun(request);
    ASSERT_TRUE(again) << again.error();
    EXPECT_EQ(*again, "cvt0");
    EXPECT_EQ(if_nametoindex("cvt0"), index) << "the same device";
  }
  auto bad = gateway_.open_tun(tun("lo"));
  ASSERT_FALSE(bad);
  EXPECT_EQ(if_nametoindex("cvt0"), index) << "a bad request changes nothing";
  auto other = gateway_.open_tun(tun("other"));
  ASSERT_TRUE(other) << other.error();
  EXPECT_EQ(if_nametoindex("cvt0"), 0u);
}

TEST_F(GatewayTest, ATunLongerThanPacketBuffersIsRefusedWithTheWayOut) {
  abi::OpenTun request = tun("cvt0");
  request.mtu = 8900;
  auto refused = gateway_.open_tun(request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(),
            "tun cvt0: packet buffers have no room for an MTU of 8900: start culvert-dataplane with --tun-mtu 8900");
  EXPECT_EQ(if_nametoindex("cvt0"), 0u);
  request.mtu = 1960;
  auto longest = gateway_.open_tun(request);
  EXPECT_TRUE(longest) << longest.error();
}

TEST_F(GatewayTest, ADeletedTunComesBackWithinASecond) {
  ASSERT_TRUE(gateway_.open_tun(tun("cvt0")));
  unsigned index = if_nametoindex("cvt0");
  for (int round = 0; round < 3; ++round) {
    uint64_t from_ns = monotonic_ns();
    testing::delete_interface("cvt0");
    EXPECT_TRUE(testing::wait_until([&] {
      gateway_.look_after(monotonic_ns());
      return if_nametoindex("cvt0") != 0;
    }));
    EXPECT_LT(monotonic_ns() - from_ns, 1'000'000'000u);
    EXPECT_NE(if_nametoindex("cvt0"), index);
    EXPECT_EQ(gateway_.deadline_ns(), UINT64_MAX);
    index = if_nametoindex("cvt0");
  }
  EXPECT_TRUE(logged("tun cvt0 was deleted"));
  EXPECT_TRUE(logged("tun cvt0 is back"));
}

TEST_F(GatewayTest, AnOpenRequestForADeletedTunMakesIt) {
  ASSERT_TRUE(gateway_.open_tun(tun("cvt0")));
  testing::delete_interface("cvt0");
  auto again = gateway_.open_tun(tun("cvt0"));
  EXPECT_TRUE(again) << again.error();
  EXPECT_NE(if_nametoindex("cvt0"), 0u);
}

TEST_F(GatewayTest, AStrangerWithTheDeletedTunsNameIsLeftAlone) {
  ASSERT_TRUE(gateway_.open_tun(tun("cvt0")));
  testing::delete_interface("cvt0");
  drivers::TunSettings squatter;
  squatter.name = "cvt0";
  auto stranger = drivers::make_tun(squatter);
  ASSERT_TRUE(stranger) << stranger.error();
  auto taken = gateway_.open_tun(tun("cvt0"));
  ASSERT_FALSE(taken);
  EXPECT_NE(taken.error().find("tun cvt0: the name is taken"), std::string::npos) << taken.error();
}

TEST_F(GatewayTest, KeepsTryingWhileTheNameIsTaken) {
  ASSERT_TRUE(gateway_.open_tun(tun("cvt0")));
  testing::delete_interface("cvt0");
  drivers::TunSettings squatter;
  squatter.name = "cvt0";
  {
    auto taken = drivers::make_tun(squatter);
    ASSERT_TRUE(taken) << taken.error();
    ASSERT_TRUE(testing::wait_until([&] {
      gateway_.look_after(monotonic_ns());
      return gateway_.deadline_ns() != UINT64_MAX;
    }));
    EXPECT_TRUE(logged("cannot make the TUN again yet: tun cvt0: the name is taken")) << log_.back();
  }
  EXPECT_TRUE(testing::wait_until([&] {
    gateway_.look_after(monotonic_ns());
    return gateway_.deadline_ns() == UINT64_MAX;
  }));
  EXPECT_NE(if_nametoindex("cvt0"), 0u);
}

TEST(GatewayWithoutWorker, ATunThatAWorkerAdoptsLateIsNotLookedAfterForEver) {
  testing::NetworkNamespace network;
  if (!network.why_not().empty()) GTEST_SKIP() << network.why_not();
  testing::WorkerRig rig;
  Gateway::Options options{{rig.pool.get()}, rig.main_bell.get()};
  std::vector<std::string> log;
  options.log = [&log](const std::string& line) { log.push_back(line); };
  options.adopt_deadline_ns = 50'000'000;
  Gateway gateway({{&rig.mailbox, rig.bell.get()}}, options);
  abi::OpenTun request{};
  std::strcpy(request.name.data(), "cvt0");
  request.mtu = 1500;
  ASSERT_FALSE(gateway.open_tun(request)) << "nobody adopts it";
  rig.worker->pass(monotonic_ns());
  ASSERT_TRUE(gateway.open_tun(request));

  testing::delete_interface("cvt0");
  rig.worker->pass(monotonic_ns());  // finds it gone
  gateway.look_after(monotonic_ns());
  EXPECT_NE(gateway.deadline_ns(), UINT64_MAX) << "made, but the worker hangs again";
  rig.worker->pass(monotonic_ns());
  gateway.look_after(monotonic_ns());
  EXPECT_EQ(gateway.deadline_ns(), UINT64_MAX) << "a deadline in the past keeps the main thread awake";
  EXPECT_EQ(log.back(), "tun cvt0 is back");
  rig.path->set_inner_port(nullptr);
}

TEST(GatewayWithoutWorker, AHungWorkerIsAnErrorNotAHang) {
  testing::NetworkNamespace network;
  if (!network.why_not().empty()) GTEST_SKIP() << network.why_not();
  testing::WorkerRig rig;
  Gateway::Options options{{rig.pool.get()}, rig.main_bell.get()};
  options.adopt_deadline_ns = 50'000'000;
  Gateway gateway({{&rig.mailbox, rig.bell.get()}}, options);
  auto open = [&gateway](uint16_t index) {
    abi::OpenPort request{};
    request.port = index;
    request.local = testing::endpoint("127.0.0.1", static_cast<uint16_t>(1194 + index));
    return gateway.open_port(request);
  };
  for (uint16_t index : {0, 1}) {
    auto opened = open(index);
    ASSERT_FALSE(opened);
    EXPECT_NE(opened.error().find("worker does not answer"), std::string::npos) << opened.error();
  }
  EXPECT_FALSE(gateway.keep_ports({{1, 0, 0, 0}}));
  auto is_free = [](uint16_t port) {
    drivers::UdpSettings settings;
    settings.local = testing::endpoint("127.0.0.1", port);
    return static_cast<bool>(drivers::open_udp_socket(settings));
  };
  EXPECT_FALSE(is_free(1195)) << "it may be in the worker's hands";
  // It comes back: the port that is not wanted any more goes, without another request.
  std::thread thread([&] { rig.worker->run(); });
  EXPECT_TRUE(testing::wait_until([&] {
    gateway.look_after(monotonic_ns());
    return is_free(1195);
  }));
  rig.worker->stop();
  thread.join();
  EXPECT_FALSE(is_free(1194));
  rig.path->set_outer_port(0, nullptr);
}

TEST(GatewayWithoutWorker, WhatAnotherProgramWouldShareWithSeveralWorkersIsTaken) {
  testing::NetworkNamespace network;
  if (!network.why_not().empty()) GTEST_SKIP() << network.why_not();
  drivers::UdpSettings settings;
  settings.local = testing::endpoint("127.0.0.1", 1194);
  settings.is_shared = true;
  auto other = drivers::open_udp_socket(settings);
  ASSERT_TRUE(other);
  testing::WorkerRig rig;
  PortMailbox second;
  Gateway::Options options{{rig.pool.get(), rig.pool.get()}, rig.main_bell.get()};
  options.adopt_deadline_ns = 50'000'000;
  Gateway gateway({{&rig.mailbox, rig.bell.get()}, {&second, rig.bell.get()}}, options);
  abi::OpenPort request{};
  request.local = settings.local;
  auto opened = gateway.open_port(request);
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().find("port 1194 is taken"), std::string::npos) << opened.error();
}

}  // namespace
}  // namespace culvert::dataplane
