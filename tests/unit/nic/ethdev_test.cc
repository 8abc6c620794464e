// Devices that need no hardware, and what the operator reads when one can't be had.
#include "drivers/nic/ethdev.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <rte_ethdev.h>

#include <array>

#include "drivers/file_descriptor.h"
#include "tests/unit/support/eal.h"
#include "tests/unit/support/network_namespace.h"
#include "tests/unit/support/temporary_folder.h"
#include "tests/unit/support/wait.h"

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

/// A datagram to nobody over loopback, which an AF_PACKET device on it receives as a frame.
void send_over_loopback() {
  FileDescriptor sender(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in nobody{};
  nobody.sin_family = AF_INET;
  nobody.sin_port = htons(9);
  nobody.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(sendto(sender.get(), "x", 1, 0, reinterpret_cast<sockaddr*>(&nobody), sizeof nobody), 1);
}

TEST_F(EthDeviceTest, WithoutBuffersNothingIsReceivedAndThenItGoesOn) {
  testing::NetworkNamespace network;
  if (!network.why_not().empty()) GTEST_SKIP() << network.why_not();
  constexpr unsigned kBuffers = 255;
  testing::PacketPool pool(kBuffers);
  auto device = EthDevice::open({"net_af_packet7,iface=lo", 1500, 1}, pool.get());
  ASSERT_TRUE(device) << device.error();
  auto receives = [&] {
    std::array<rte_mbuf*, 32> frames;
    uint16_t count = rte_eth_rx_burst(device->id(), 0, frames.data(), frames.size());
    rte_pktmbuf_free_bulk(frames.data(), count);
    return count > 0;
  };
  send_over_loopback();
  ASSERT_TRUE(testing::wait_until(receives));
  std::array<rte_mbuf*, kBuffers> all;
  ASSERT_EQ(rte_pktmbuf_alloc_bulk(pool.get(), all.data(), all.size()), 0);
  for (int i = 0; i < 1000; ++i) {
    if (i % 10 == 0) send_over_loopback();
    EXPECT_FALSE(receives());
  }
  rte_pktmbuf_free_bulk(all.data(), all.size());
  send_over_loopback();
  EXPECT_TRUE(testing::wait_until(receives));
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
  EXPECT_NE(error_of("net_af_xdp7,iface=nothere").find("there is no interface nothere here"), std::string::npos);
  EXPECT_NE(error_of("net_af_xpd7,iface=lo").find("port net_af_xpd7: DPDK cannot open it"), std::string::npos);
  EXPECT_NE(error_of("net_pcap8", 2).find("port net_pcap8"), std::string::npos);
}

}  // namespace
}  // namespace culvert::drivers
