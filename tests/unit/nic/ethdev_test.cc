// Devices that need no hardware, and what the operator reads when one can't be had.
#define ALLOW_EXPERIMENTAL_API  // rte_eth_dev_conf_get
#include "drivers/nic/ethdev.h"

#include <gtest/gtest.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ring.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <memory>

#include "dataplane/eal.h"
#include "drivers/file_descriptor.h"
#include "tests/unit/nic/cable.h"
#include "tests/unit/support/eal.h"
#include "tests/unit/support/network_namespace.h"
#include "tests/unit/support/temporary_folder.h"
#include "tests/unit/support/wait.h"

/// Asked by LeakSanitizer, where a build has it: DPDK 22.11's AF_XDP driver does not give its umem back.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  return "leak:xsk_umem__create\n";
}

namespace culvert::drivers {
namespace {

class EthDeviceTest : public ::testing::Test {
 protected:
  void SetUp() override { testing::start_eal(512); }
  testing::TemporaryFolder folder;
};

TEST_F(EthDeviceTest, DriversThatAreLinkedIn) {
  testing::PacketPool pool;
  for (const std::string& device :
       std::vector<std::string>{"net_null7", "net_ring7", "net_pcap7,tx_pcap=" + folder.path() + "/out.pcap",
                                "net_memif7,role=server,socket-abstract=no,socket=" + folder.path() + "/memif.sock"}) {
    auto opened = EthDevice::open({device, 1500, 1}, pool.get());
    EXPECT_TRUE(opened) << device << (opened ? "" : ": " + opened.error());
  }
}

TEST_F(EthDeviceTest, WithoutAnAnswerItSaysNothingOfLosses) {
  testing::PacketPool pool;
  auto opened = EthDevice::open({"net_null8", 1500, 1}, pool.get());
  ASSERT_TRUE(opened) << opened.error();
  ASSERT_TRUE(opened->losses());
  EXPECT_EQ(opened->losses()->missed, 0u);
  rte_eth_dev_stop(opened->id());
  rte_eth_dev_close(opened->id());
  EXPECT_FALSE(opened->losses()) << "not that there were none";
}

class EmptyPoolTest : public EthDeviceTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(EmptyPoolTest, WhatIsLostIsCountedAndTheNextPollWithBuffersReceives) {
  testing::NetworkNamespace network;
  if (!network.why_not().empty()) GTEST_SKIP() << network.why_not();
  if (is_af_xdp(GetParam()) && !FileDescriptor(socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0)))
    GTEST_SKIP() << "this kernel has no AF_XDP";
  testing::Cable cable;
  constexpr unsigned kBuffers = 8191;
  auto made = dataplane::make_packet_pool("empty_pool", kBuffers);
  ASSERT_TRUE(made) << made.error();
  // AF_XDP's driver keeps what is in its rings when it closes: nobody counts what comes back here.
  std::unique_ptr<rte_mempool, decltype(&rte_mempool_free)> pool(*made, rte_mempool_free);
  auto device = EthDevice::open({GetParam(), 1500, 1}, pool.get());
  ASSERT_TRUE(device) << device.error();
  auto receives = [&] {
    std::array<rte_mbuf*, 32> frames;
    uint16_t count = rte_eth_rx_burst(device->id(), 0, frames.data(), frames.size());
    rte_pktmbuf_free_bulk(frames.data(), count);
    return count > 0;
  };
  cable.send();
  ASSERT_TRUE(testing::wait_until(receives));
  ASSERT_TRUE(testing::wait_until([&] { return !receives(); }));
  EXPECT_EQ(device->losses()->missed, 0u);

  std::vector<rte_mbuf*> all(kBuffers);
  size_t taken = 0;
  while (taken < all.size() && (all[taken] = rte_pktmbuf_alloc(pool.get())) != nullptr) ++taken;
  // More than the rings hold: what is in them waits, the rest is lost, and said to be.
  for (int i = 0; i < 6000; ++i) {
    cable.send();
    ASSERT_FALSE(receives());
  }
  EXPECT_GT(device->losses()->missed + device->losses()->no_buffer, 0u);
  rte_pktmbuf_free_bulk(all.data(), static_cast<unsigned>(taken));
  EXPECT_TRUE(receives()) << "what waited comes with the first poll that has buffers";
  ASSERT_TRUE(testing::wait_until([&] { return !receives(); }));
  uint64_t lost = device->losses()->missed;
  cable.send();
  EXPECT_TRUE(testing::wait_until(receives));
  EXPECT_EQ(device->losses()->missed, lost);
}

INSTANTIATE_TEST_SUITE_P(Devices, EmptyPoolTest,
                         ::testing::Values("net_af_packet7,iface=near", "net_af_xdp7,iface=near"),
                         [](const auto& name) { return std::string(name.param).substr(4, name.index == 0 ? 9 : 6); });

TEST_F(EthDeviceTest, AFlowThatChangesItsQueueIsCounted) {
  testing::NetworkNamespace network;
  if (!network.why_not().empty()) GTEST_SKIP() << network.why_not();
  testing::Cable cable;
  testing::PacketPool pool;
  auto device = EthDevice::open({"net_af_packet5,iface=near", 1500, 2}, pool.get());
  ASSERT_TRUE(device) << device.error();
  // Frames of the cable by queue; the kernel sends some of its own there (IPv6), which may come at any time.
  std::array<size_t, 2> received{};
  auto is_ours = [](const rte_mbuf* frame) {
    const auto* bytes = rte_pktmbuf_mtod(frame, const uint8_t*);
    return bytes[12] == 0x88 && bytes[13] == 0xB5;
  };
  auto receive_all = [&](size_t wanted) {
    received = {};
    return testing::wait_until([&] {
      for (uint16_t queue = 0; queue < received.size(); ++queue) {
        std::array<rte_mbuf*, 32> frames;
        uint16_t count = rte_eth_rx_burst(device->id(), queue, frames.data(), frames.size());
        received[queue] += static_cast<size_t>(std::count_if(frames.begin(), frames.begin() + count, is_ours));
        rte_pktmbuf_free_bulk(frames.data(), count);
      }
      return received[0] + received[1] == wanted;
    });
  };
  constexpr size_t kFew = 100, kMany = 600;  // of 512 in a ring
  for (size_t i = 0; i < kFew; ++i) cable.send();
  ASSERT_TRUE(receive_all(kFew));
  const size_t own = received[0] == 0 ? 1 : 0;
  EXPECT_EQ(received[own], kFew) << "one flow, one queue";
  EXPECT_EQ(device->losses()->rolled_over, 0u);
  for (size_t i = 0; i < kMany; ++i) cable.send();
  EXPECT_TRUE(testing::wait_until([&] { return device->losses()->rolled_over > 0; }));
  ASSERT_TRUE(receive_all(kMany));
  EXPECT_EQ(device->losses()->missed, 0u);
  EXPECT_GT(received[1 - own], 0u);
  EXPECT_GE(device->losses()->rolled_over, received[1 - own]);
}

TEST_F(EthDeviceTest, EachQueueHasTheBuffersOfItsWorker) {
  testing::PacketPool near, far;
  const std::array<rte_mempool*, 3> pools = {near.get(), far.get(), near.get()};
  auto device = EthDevice::open({"net_null6", 1500, 3}, pools);
  ASSERT_TRUE(device) << device.error();
  for (uint16_t queue = 0; queue < 3; ++queue) {
    std::array<rte_mbuf*, 4> frames;
    ASSERT_EQ(rte_eth_rx_burst(device->id(), queue, frames.data(), frames.size()), frames.size());
    for (rte_mbuf* frame : frames) EXPECT_EQ(frame->pool, pools[queue]) << "queue " << queue;
    rte_pktmbuf_free_bulk(frames.data(), frames.size());
  }
}

TEST_F(EthDeviceTest, ADeviceThatSpreadsNothingIsWarnedOf) {
  testing::PacketPool pool;
  std::array<rte_ring*, 2> rings;
  for (size_t i = 0; i < rings.size(); ++i)
    rings[i] =
        rte_ring_create(("spread" + std::to_string(i)).c_str(), 64, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
  auto warnings_with = [&](uint16_t queues) {
    std::string name = "spread_over_" + std::to_string(queues);
    EXPECT_GE(rte_eth_from_rings(name.c_str(), rings.data(), queues, rings.data(), queues, 0), 0);
    auto device = EthDevice::open({"net_ring_" + name, 1500, queues}, pool.get());
    EXPECT_TRUE(device) << (device ? "" : device.error());
    return device ? device->warnings() : std::vector<std::string>{"not opened"};
  };
  EXPECT_EQ(warnings_with(1), std::vector<std::string>{});
  EXPECT_EQ(warnings_with(2), std::vector<std::string>{
                                  "port net_ring_spread_over_2 has no RSS: all that it receives may come to one of 2 "
                                  "workers, which hands the others theirs"});
  for (rte_ring* ring : rings) rte_ring_free(ring);
}

TEST_F(EthDeviceTest, WholeChecksumsAreHadWithoutOffloads) {
  testing::NetworkNamespace network;
  if (!network.why_not().empty()) GTEST_SKIP() << network.why_not();
  if (access("/dev/net/tun", F_OK) != 0) GTEST_SKIP() << "no /dev/net/tun here";
  testing::PacketPool pool;
  for (bool whole : {false, true}) {
    const std::string number = whole ? "4" : "5";
    auto device = EthDevice::open({"net_tap" + number + ",iface=checked" + number, 1500, 1, whole}, pool.get());
    ASSERT_TRUE(device) << device.error();
    rte_eth_conf conf{};
    ASSERT_EQ(rte_eth_dev_conf_get(device->id(), &conf), 0);
    EXPECT_EQ((conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_UDP_CKSUM) == 0, whole);
  }
}

TEST_F(EthDeviceTest, WhatCanNotBeHadIsNamedWithTheWayOut) {
  testing::PacketPool pool;
  auto error_of = [&](const std::string& device, uint16_t queues = 1) {
    auto opened = EthDevice::open({device, 1500, queues}, pool.get());
    return opened ? std::string("opened") : opened.error();
  };
  EXPECT_NE(error_of("0000:3b:00.0")
                .find("port 0000:3b:00.0: DPDK finds no such device, or none that it has a driver "
                      "for: bind it with dpdk-devbind.py -b vfio-pci 0000:3b:00.0"),
            std::string::npos);
  const auto has = [](const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  };
  EXPECT_TRUE(has(error_of("net_af_xdp7,iface=nothere"), "there is no interface nothere here"));
  EXPECT_TRUE(has(error_of("net_af_xpd7,iface=lo"), "port net_af_xpd7: DPDK has no such kind of device: write"));
  EXPECT_TRUE(has(error_of("net_pcap8", 2), "port net_pcap8"));
  EXPECT_TRUE(has(error_of("net_af_packet7"), "names no interface of the kernel: write net_af_packet7,iface=eth1"));
  EXPECT_TRUE(has(error_of("lo"), "is an interface of the kernel, and no device of DPDK: write net_af_xdp0,iface=lo"));
  EXPECT_TRUE(has(error_of("net_null8,nonsense=1"), "DPDK cannot open it"));
  EXPECT_TRUE(has(error_of("net_memif8,role=client,socket-abstract=no,socket=" + folder.path() + "/none.sock"),
                  "nobody answers at its socket: start the other end"));
}

TEST_F(EthDeviceTest, AnMtuThatADeviceDoesNotTakeIsSaidWithTheOneItTakes) {
  testing::PacketPool pool;
  std::string device = "net_memif9,role=server,socket-abstract=no,socket=" + folder.path() + "/memif.sock";
  auto opened = EthDevice::open({device, 1501, 1}, pool.get());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error(), "port net_memif9: does not take an MTU of 1501: set mtu of its [[port]] to 1500 or less");
}

TEST(DeviceTextTest, PlacesOfAfPacketHoldAFrame) {
  EXPECT_EQ(complete_device({"net_af_packet0,iface=eth1", 1500, 1}), "net_af_packet0,iface=eth1");
  EXPECT_EQ(complete_device({"net_af_packet0,iface=eth1", 1500, 2}), "net_af_packet0,iface=eth1,qpairs=2");
  EXPECT_EQ(complete_device({"net_af_packet0,iface=eth1", 9000, 1}),
            "net_af_packet0,iface=eth1,framesz=9216,blocksz=36864");
  EXPECT_EQ(complete_device({"net_af_packet0,iface=eth1,qpairs=4,framesz=16384,blocksz=16384", 9000, 4}),
            "net_af_packet0,iface=eth1,qpairs=4,framesz=16384,blocksz=16384");
  EXPECT_EQ(complete_device({"net_af_xdp0,iface=eth1", 3000, 2}), "net_af_xdp0,iface=eth1,queue_count=2");
  EXPECT_EQ(complete_device({"0000:3b:00.0", 9000, 2}), "0000:3b:00.0");
  // The buffer has to hold what a place does: DPDK refuses it otherwise.
  EXPECT_EQ(largest_frame("net_af_packet0,iface=eth1", 1500), 2048u);
  EXPECT_EQ(largest_frame("net_af_packet0,iface=eth1", 9000), 9216u);
  EXPECT_EQ(largest_frame("net_af_packet0,iface=eth1,framesz=16384", 9000), 16384u);
  EXPECT_EQ(largest_frame("net_af_xdp0,iface=eth1", 1500), 1500u + 22 + 256);
  EXPECT_EQ(largest_frame("0000:3b:00.0", 9000), 9022u);
  auto small = check_device({"net_af_packet0,iface=lo,framesz=4096,blocksz=4096", 9000, 1});
  ASSERT_FALSE(small);
  EXPECT_EQ(small.error(),
            "port net_af_packet0: its framesz is too small for an MTU of 9000: leave framesz and blocksz away");
}

}  // namespace
}  // namespace culvert::drivers
