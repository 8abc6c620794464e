// What leaves through a NIC port, and what it has lost.
#include "drivers/memory.h"
#include "drivers/nic/nic_inner.h"
#include "drivers/nic/nic_udp.h"
#include "tests/unit/nic/nic_port_rig.h"

namespace culvert::drivers {
namespace {

using NicSending = NicPortRig;

TEST_F(NicSending, FramesOfTheKernelLeaveThroughThePort) {
  Bytes frame = ethernet(to_listener(), kNeighbour, mac());
  twin->to_send.push_back(pool.packet(frame));
  receive();
  EXPECT_EQ(sent(), std::vector<Bytes>{frame});
}

TEST_F(NicSending, WhatIsStagedWhenItEndsIsFreed) {
  twin->to_send.push_back(pool.packet(ethernet(to_listener(), kNeighbour, mac())));
  receive();
  EXPECT_EQ(pool.in_use(), 1u);
  port.reset();
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST_F(NicSending, WithoutLinkNothingIsSent) {
  state.has_link = false;
  twin->to_send.push_back(pool.packet(ethernet(to_listener(), kNeighbour, mac())));
  receive();
  EXPECT_TRUE(sent().empty());
  EXPECT_EQ(drops(DropReason::tx_port_down), 1u);
}

TEST_F(NicSending, AFullQueueIsCounted) {
  for (int i = 0; i < 1100; ++i)
    port->send(pool.packet(ipv4_packet("10.8.0.2", "198.51.100.7")), kNeighbour, Side::kInner, 40, tally);
  port->flush(tally);
  EXPECT_EQ(drops(DropReason::tx_queue_full), 1100u - 1023u);
  EXPECT_EQ(counted(abi::Counter::inner_tx_packets), 1023u) << "sent or dropped, never both";
  EXPECT_EQ(counted(abi::Counter::inner_tx_bytes), 1023u * 40);
  EXPECT_EQ(sent().size(), 1023u);
}

TEST_F(NicSending, LossesOfTheDeviceAreCountedOnce) {
  EthDevice::Losses seen;
  count_losses(EthDevice::Losses{.missed = 5, .no_buffer = 2}, seen, tally);
  count_losses(EthDevice::Losses{.missed = 7, .no_buffer = 2}, seen, tally);
  EXPECT_EQ(drops(DropReason::nic_rx_missed), 7u);
  EXPECT_EQ(drops(DropReason::mempool_empty), 2u);
  count_losses(EthDevice::Losses{}, seen, tally);  // it was reset
  count_losses(EthDevice::Losses{.missed = 1, .no_buffer = 0}, seen, tally);
  EXPECT_EQ(drops(DropReason::nic_rx_missed), 8u);
  count_losses(EthDevice::Losses{.missed = 1, .rolled_over = 3}, seen, tally);
  count_losses(EthDevice::Losses{.missed = 1, .rolled_over = 4}, seen, tally);
  EXPECT_EQ(tally.counters[static_cast<size_t>(abi::Counter::nic_rx_rolled_over)], 4u);
  EXPECT_EQ(drops(DropReason::nic_rx_missed), 8u);
}

TEST_F(NicSending, ADeviceThatDoesNotAnswerForOnceIsNotCountedAnew) {
  EthDevice::Losses seen;
  count_losses(EthDevice::Losses{.missed = 5, .no_buffer = 2, .rolled_over = 3}, seen, tally);
  count_losses(std::nullopt, seen, tally);
  count_losses(EthDevice::Losses{.missed = 6, .no_buffer = 2, .rolled_over = 3}, seen, tally);
  EXPECT_EQ(drops(DropReason::nic_rx_missed), 6u);
  EXPECT_EQ(drops(DropReason::mempool_empty), 2u);
  EXPECT_EQ(tally.counters[static_cast<size_t>(abi::Counter::nic_rx_rolled_over)], 3u);
}

/// A tunnel packet of ours, as the path stages it.
rte_mbuf* tunnel_packet(const testing::PacketPool& pool, const std::string& to, const std::string& from,
                        size_t length = 100) {
  rte_mbuf* packet = pool.packet(Bytes(length, 0x48));
  meta(packet).remote = endpoint_of(to, 4000);
  if (!from.empty()) meta(packet).local = endpoint_of(from, 1194);
  return packet;
}

TEST_F(NicSending, TunnelPacketsLeaveWithHeadersOrThroughTheSocket) {
  auto socket = std::make_shared<MemoryPort>(Side::kOuter);
  NicUdpPort udp(socket, *table, {port.get()});
  std::vector<rte_mbuf*> burst = {
      tunnel_packet(pool, "198.51.100.7", "192.0.2.1"),        // known neighbour
      tunnel_packet(pool, "203.0.113.7", "192.0.2.1"),         // no route
      tunnel_packet(pool, "2001:db8:5::7", "2001:db8::1"),     // the other family
      tunnel_packet(pool, "198.51.100.7", ""),                 // our address is not known
      tunnel_packet(pool, "198.51.100.7", "192.0.2.1", 1473),  // longer than the link
  };
  udp.tx_burst(burst, tally);
  std::vector<Bytes> frames = sent();
  ASSERT_EQ(frames.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    Frame frame;
    ASSERT_EQ(read_frame(frames[i], false, frame), FrameKind::kIp);
    EXPECT_EQ(check_transport(frames[i], frame), Checksum::kRight);
    EXPECT_EQ(frame.ip.version, i == 0 ? 4 : 6);
    EXPECT_EQ(frame.source_port, 1194);
    EXPECT_TRUE(std::equal(kNeighbour.begin(), kNeighbour.end(), frames[i].begin()));
    EXPECT_TRUE(std::equal(frames[i].end() - 100, frames[i].end(), Bytes(100, 0x48).begin()));
  }
  auto rest = socket->take_sent();
  EXPECT_EQ(rest.size(), 3u);
  for (rte_mbuf* packet : rest) rte_pktmbuf_free(packet);
}

TEST_F(NicSending, WithoutRoomForTheHeadersTheOtherWayIsTaken) {
  auto socket = std::make_shared<MemoryPort>(Side::kOuter);
  auto tun = std::make_shared<MemoryPort>(Side::kInner);
  NicUdpPort udp(socket, *table, {port.get()});
  NicInnerPort inner(tun, *table, {port.get()});
  auto with_headroom = [](rte_mbuf* packet, uint16_t headroom) {
    const Bytes bytes = bytes_of(packet);
    packet->data_off = headroom;
    std::copy(bytes.begin(), bytes.end(), rte_pktmbuf_mtod(packet, uint8_t*));
    return packet;
  };
  std::vector<rte_mbuf*> outer_burst = {
      with_headroom(tunnel_packet(pool, "198.51.100.7", "192.0.2.1"), 42),
      with_headroom(tunnel_packet(pool, "198.51.100.7", "192.0.2.1"), 41),
      with_headroom(tunnel_packet(pool, "2001:db8:5::7", "2001:db8::1"), 62),
      with_headroom(tunnel_packet(pool, "2001:db8:5::7", "2001:db8::1"), 61),
  };
  std::vector<rte_mbuf*> inner_burst = {with_headroom(pool.packet(ipv4_packet("10.8.0.2", "198.51.100.7")), 14),
                                        with_headroom(pool.packet(ipv4_packet("10.8.0.2", "198.51.100.7")), 13)};
  udp.tx_burst(outer_burst, tally);
  inner.tx_burst(inner_burst, tally);
  EXPECT_EQ(sent().size(), 3u);
  EXPECT_EQ(socket->sent_count(), 2u);
  EXPECT_EQ(tun->sent_count(), 1u);
}

TEST_F(NicSending, WhatADeviceSaidOfAPacketIsNotSaidToAnother) {
  NicUdpPort udp(std::make_shared<MemoryPort>(Side::kOuter), *table, {port.get()});
  NicInnerPort inner(std::make_shared<MemoryPort>(Side::kInner), *table, {port.get()});
  std::array<rte_mbuf*, 3> packets = {tunnel_packet(pool, "198.51.100.7", "192.0.2.1"),
                                      pool.packet(ipv4_packet("10.8.0.2", "198.51.100.7")),
                                      pool.packet(ethernet(to_listener(), kNeighbour, mac()))};
  for (rte_mbuf* packet : packets) packet->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_TX_UDP_CKSUM;
  twin->to_send.push_back(packets[2]);
  receive();
  udp.tx_burst({packets.data(), 1}, tally);
  inner.tx_burst({&packets[1], 1}, tally);
  port->flush(tally);
  void* frame = nullptr;
  for (size_t i = 0; i < packets.size(); ++i) {
    ASSERT_EQ(rte_ring_dequeue(wire_.out, &frame), 0);
    EXPECT_EQ(static_cast<rte_mbuf*>(frame)->ol_flags, 0u) << i;
    rte_pktmbuf_free(static_cast<rte_mbuf*>(frame));
  }
}

TEST_F(NicSending, WhatFindsNoLinkIsNotCountedAsSent) {
  auto socket = std::make_shared<MemoryPort>(Side::kOuter);
  NicUdpPort udp(socket, *table, {port.get()});
  for (bool up : {false, true}) {
    state.has_link = up;
    std::vector<rte_mbuf*> burst = {tunnel_packet(pool, "198.51.100.7", "192.0.2.1")};
    udp.tx_burst(burst, tally);
    EXPECT_EQ(sent().size(), up ? 1u : 0u);
    EXPECT_EQ(counted(abi::Counter::outer_tx_packets), up ? 1u : 0u);
    EXPECT_EQ(counted(abi::Counter::outer_tx_bytes), up ? 100u : 0u);
    EXPECT_EQ(drops(DropReason::tx_port_down), 1u);
  }
}

TEST_F(NicSending, InnerPacketsLeaveThroughThePortOrTheTun) {
  auto tun = std::make_shared<MemoryPort>(Side::kInner);
  NicInnerPort inner(tun, *table, {port.get()});
  Bytes last_hop = ipv4_packet("10.8.0.2", "198.51.100.7");
  last_hop[8] = 1;
  Bytes options = ipv4_packet("10.8.0.2", "198.51.100.7");
  options[0] = 0x46;
  Bytes hop_by_hop = testing::ipv6_packet("2001:db8:8::2", "2001:db8:5::7");
  hop_by_hop[6] = 0;
  std::vector<rte_mbuf*> burst = {
      pool.packet(options),                                        // the kernel may have to act on them
      pool.packet(hop_by_hop),                                     // likewise
      pool.packet(ipv4_packet("10.8.0.2", "198.51.100.7")),        // known neighbour
      pool.packet(last_hop),                                       // the kernel answers
      pool.packet(ipv4_packet("10.8.0.2", "192.0.2.1")),           // the gateway itself
      pool.packet(ipv4_packet("10.8.0.2", "198.51.100.7", 1481)),  // longer than the link
  };
  inner.tx_burst(burst, tally);
  std::vector<Bytes> frames = sent();
  ASSERT_EQ(frames.size(), 1u);
  Frame frame;
  ASSERT_EQ(read_frame(frames[0], false, frame), FrameKind::kIp);
  EXPECT_EQ(frame.hops, 63);
  auto rest = tun->take_sent();
  EXPECT_EQ(rest.size(), 5u);
  for (rte_mbuf* packet : rest) rte_pktmbuf_free(packet);
}

}  // namespace
}  // namespace culvert::drivers
