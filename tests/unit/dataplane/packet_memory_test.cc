// Packet pools by NUMA node, and what DPDK is asked for.
#include "dataplane/packet_memory.h"

#include <gtest/gtest.h>
#include <rte_memory.h>

#include "dataplane/abi/layout.h"
#include "dataplane/packet_pools.h"
#include "drivers/packet_room.h"
#include "tests/unit/support/eal.h"

namespace culvert::dataplane {
namespace {

Options with_cores(size_t count) {
  Options options;
  options.cores.assign(count, kAnyCore);
  return options;
}

TEST(PacketMemoryTest, GrowsWithWhatPacketsNeed) {
  PacketMemory usual = packet_memory(with_cores(1), {SOCKET_ID_ANY});
  EXPECT_EQ(usual.buffers, 8191u);
  EXPECT_EQ(usual.largest, kMaxPacket);
  EXPECT_EQ(usual.eal_mb, 40u);

  Options jumbo = with_cores(1);
  jumbo.tun_mtu = 9000;
  PacketMemory large = packet_memory(jumbo, {SOCKET_ID_ANY});
  EXPECT_EQ(large.largest, 9000 + drivers::kTunnelOverhead);
  EXPECT_GE(large.eal_mb, usual.eal_mb + 8192 * (9000 - kMaxPacket) / (1 << 20));

  Options nic = with_cores(2);
  nic.ports = {{"net_af_packet0,iface=eth0", "wan0", 9000, {}}};
  PacketMemory ports = packet_memory(nic, {SOCKET_ID_ANY, SOCKET_ID_ANY});
  EXPECT_GE(ports.buffers, 8191u + 4096 + 2 * 6144);
  EXPECT_EQ(ports.largest, 9216);
  EXPECT_GE(ports.eal_mb, 256 + uint64_t{ports.buffers} * 9216 / (1 << 20));
}

TEST(PacketMemoryTest, EachNodeHasAPoolOfItsOwn) {
  PacketMemory one = packet_memory(with_cores(4), {0, 0, 0, 0});
  PacketMemory two = packet_memory(with_cores(4), {0, 0, 1, 1});
  EXPECT_EQ(one.buffers, two.buffers);
  EXPECT_GE(two.eal_mb - one.eal_mb, uint64_t{two.buffers} * kMaxPacket / (1 << 20));
  EXPECT_EQ(two.nodes, (std::vector<int>{0, 0, 1, 1}));
}

TEST(PacketPoolsTest, WorkersOfANodeShareAPool) {
  testing::start_eal();
  // Here "any" stands for a second node, which this machine need not have.
  auto made = PacketPools::make({0, SOCKET_ID_ANY, 0}, 255, 1500);
  ASSERT_TRUE(made) << made.error();
  auto pools = made->by_worker();
  ASSERT_EQ(pools.size(), 3u);
  EXPECT_EQ(pools[0], pools[2]);
  EXPECT_NE(pools[0], pools[1]);
  for (rte_mempool* pool : {pools[0], pools[1]}) {
    EXPECT_EQ(drivers::packet_room(pool), 1500);
    rte_mempool_free(pool);
  }
}

TEST(PacketPoolsTest, TooLittleMemoryIsSaid) {
  testing::start_eal();
  auto made = PacketPools::make({SOCKET_ID_ANY}, (1u << 24) - 1, 9216);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().find("no memory for 16777215 packet buffers"), 0u) << made.error();
}

TEST(PacketPoolsTest, AFloatingWorkerHasNoNode) {
  EXPECT_EQ(numa_node_of(abi::kAnyCore), SOCKET_ID_ANY);
}

}  // namespace
}  // namespace culvert::dataplane
