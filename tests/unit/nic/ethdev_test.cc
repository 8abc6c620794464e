// Devices that need no hardware, and what the operator reads when one can't be had.
#include "drivers/nic/ethdev.h"

#include <gtest/gtest.h>

#include "tests/unit/support/eal.h"
#include "tests/unit/support/temporary_folder.h"

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
