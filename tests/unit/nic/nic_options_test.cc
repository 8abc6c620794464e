// --port, as the operator writes it.
#include "dataplane/nic_options.h"

#include <gtest/gtest.h>

#include "drivers/nic/ethdev.h"

namespace culvert::dataplane {
namespace {

TEST(NicOptions, DefaultsAndEverything) {
  auto plain = parse_nic_options("0000:3b:00.0", 1);
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->device, "0000:3b:00.0");
  EXPECT_EQ(plain->name, "nic1");
  EXPECT_EQ(plain->mtu, 1500u);
  auto all = parse_nic_options(
      "net_af_xdp0,iface=eth1,force_copy=1;name=wan;mtu=9000;address=192.0.2.1/24;address=2001:db8::1/64", 0);
  ASSERT_TRUE(all) << all.error();
  EXPECT_EQ(all->device, "net_af_xdp0,iface=eth1,force_copy=1");
  EXPECT_EQ(all->name, "wan");
  EXPECT_EQ(all->mtu, 9000u);
  ASSERT_EQ(all->addresses.size(), 2u);
  EXPECT_EQ(all->addresses[1].prefix, 64);
}

TEST(NicOptions, MistakesAreNamed) {
  for (const char* text : {"", ";name=x", "dev;name=", "dev;name=a/b", "dev;name=sixteencharacters", "dev;mtu=1279",
                           "dev;mtu=9217", "dev;mtu=x", "dev;mtu=", "dev;address=192.0.2.1", "dev;address=192.0.2.1/33",
                           "dev;address=192.0.2.1/0", "dev;address=x/24", "dev;speed=10", "dev;name"})
    EXPECT_FALSE(parse_nic_options(text, 0)) << text;
}

TEST(NicOptions, WhatKindOfDevice) {
  using drivers::is_pci_device;
  using drivers::kernel_interface_of;
  EXPECT_TRUE(is_pci_device("0000:3b:00.0"));
  EXPECT_TRUE(is_pci_device("3b:00.1,arg=1"));
  for (const char* text : {"net_ring0", "net_af_xdp0,iface=eth1", "", "eth0", "virtio_user0"})
    EXPECT_FALSE(is_pci_device(text)) << text;
  EXPECT_EQ(kernel_interface_of("net_af_xdp0,iface=eth1,queue_count=2"), "eth1");
  EXPECT_EQ(kernel_interface_of("net_af_packet0,blocksz=4096,iface=eth2"), "eth2");
  EXPECT_EQ(kernel_interface_of("net_memif0,role=client"), "");
  EXPECT_EQ(kernel_interface_of("net_tap0,iface=new0"), "");
}

}  // namespace
}  // namespace culvert::dataplane
