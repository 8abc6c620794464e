// What a NIC port takes, and what the kernel gets.
#include "drivers/memory.h"
#include "drivers/nic/nic_udp.h"
#include "tests/unit/nic/nic_port_rig.h"

namespace culvert::drivers {
namespace {

using NicPortTest = NicPortRig;

TEST_F(NicPortTest, APacketForAListenerIsAnOuterPacket) {
  arrive(to_listener());
  arrive(udp_packet(endpoint_of("2001:db8::7", 4001), endpoint_of("2001:db8::1", 1194), Bytes(9, 1)));
  receive();
  ASSERT_EQ(received.outer_count, 2);
  EXPECT_EQ(bytes_of(received.outer[0]), Bytes(50, 3));
  PacketMeta& about = meta(received.outer[0]);
  EXPECT_EQ(abi::to_text(about.remote), "203.0.113.5:4000");
  EXPECT_EQ(abi::to_text(about.local), "192.0.2.1:1194");
  EXPECT_EQ(about.port, 4);
  EXPECT_EQ(meta(received.outer[1]).port, 5);
  EXPECT_GE(rte_pktmbuf_headroom(received.outer[0]), 100);
}

TEST_F(NicPortTest, AListenerIsOfItsFamily) {
  // The first bytes of 2001:db8::1 are those of an IPv4 address.
  route("32.1.13.184", 32, kHopLocal);
  const Bytes packet = udp_packet(endpoint_of("203.0.113.5", 4000), endpoint_of("32.1.13.184", 1194), Bytes(50, 3));
  auto is_heard = [&](const Listener& listener) {
    port->set_listeners({listener});
    arrive(packet);
    receive();
    return received.outer_count == 1;
  };
  EXPECT_FALSE(is_heard({endpoint_of("2001:db8::1", 1194), false, 5}));
  EXPECT_TRUE(is_heard({endpoint_of("::", 1194), false, 5}));
  EXPECT_FALSE(is_heard({endpoint_of("::", 1194), true, 5})) << "IPv6 only";
  EXPECT_TRUE(is_heard({endpoint_of("0.0.0.0", 1194), false, 5}));
}

TEST_F(NicPortTest, WhatIsForTheGatewayItselfIsTheKernels) {
  Bytes dns = udp_packet(endpoint_of("203.0.113.5", 4000), endpoint_of("192.0.2.1", 53), Bytes(50, 3));
  Bytes elsewhere = udp_packet(endpoint_of("203.0.113.5", 4000), endpoint_of("192.0.2.9", 1194), Bytes(50, 3));
  Bytes icmp = ipv4_packet("203.0.113.5", "192.0.2.1", 30, wire::kProtocolIcmp);
  for (const Bytes& packet : {dns, elsewhere, icmp}) arrive(packet);
  Bytes with_options = to_listener();  // of UDP: its checksum does not cover what stands behind its length
  reinterpret_cast<wire::UdpHeader*>(with_options.data() + 20)->length.set(8 + 46);
  arrive(with_options);
  Bytes broadcast = ethernet(to_listener(), {255, 255, 255, 255, 255, 255});
  arrive_frame(broadcast);
  Bytes arp = ethernet(to_listener(), mac());
  arp[12] = 8, arp[13] = 6;
  arrive_frame(arp);
  receive();
  EXPECT_EQ(received.outer_count + received.inner_count, 0);
  EXPECT_EQ(twin->received.size(), 6u);
  EXPECT_EQ(tally.counters[static_cast<size_t>(abi::Counter::twin_tx_packets)], 6u);
}

TEST_F(NicPortTest, APacketForAClientIsAnInnerPacketOneHopLess) {
  arrive(ipv4_packet("198.51.100.7", "10.8.0.2", 40, wire::kProtocolIcmp));
  receive();
  ASSERT_EQ(received.inner_count, 1);
  Bytes inner = bytes_of(received.inner[0]);
  EXPECT_EQ(inner.size(), 60u);
  EXPECT_EQ(inner[8], 63);
  EXPECT_EQ(wire::finish_checksum(wire::add_to_checksum({inner.data(), 20})), 0);
}

TEST_F(NicPortTest, WhatTheKernelMustAnswerItGets) {
  Bytes last_hop = ipv4_packet("198.51.100.7", "10.8.0.2");
  last_hop[8] = 1;
  reinterpret_cast<wire::Ipv4Header*>(last_hop.data())->checksum.set(0);
  reinterpret_cast<wire::Ipv4Header*>(last_hop.data())
      ->checksum.set(wire::finish_checksum(wire::add_to_checksum({last_hop.data(), 20})));
  arrive(last_hop);
  table->set_tun_mtu(1300);
  arrive(ipv4_packet("198.51.100.7", "10.8.0.2", 1281));
  receive();
  EXPECT_EQ(received.inner_count, 0);
  EXPECT_EQ(twin->received.size(), 2u);
}

TEST_F(NicPortTest, TunnelAddressesDoNotComeFromOutside) {
  arrive(ipv4_packet("10.8.0.3", "10.8.0.2"));
  receive();
  EXPECT_EQ(received.inner_count, 0);
  EXPECT_EQ(drops(DropReason::outer_inner_source), 1u);
}

TEST_F(NicPortTest, WhoeverSpeaksInOurNameDoesNotReachAClient) {
  // The gateway's own address in the tunnel is no tunnel address to the routes, but local. The kernel lets nobody from
  // outside have an address of its own (fib_validate_source).
  route("10.8.0.1", 32, kHopLocal);
  route("fd00:8::", 64, kHopTun);
  arrive(ipv4_packet("10.8.0.1", "10.8.0.2"));
  arrive(ipv4_packet("192.0.2.1", "10.8.0.2"));
  arrive(udp_packet(endpoint_of("2001:db8::1", 53), endpoint_of("fd00:8::2", 4000), Bytes(60, 1)));
  receive();
  EXPECT_EQ(received.inner_count, 0);
  EXPECT_EQ(twin->received.size(), 3u);
}

TEST_F(NicPortTest, WhatNoRouterForwardsDoesNotReachAClient) {
  // ip_route_input_slow and ip6_forward of Linux: "this check is security critical".
  route("fd00:8::", 64, kHopTun);
  for (const char* from : {"0.0.0.0", "0.0.0.7", "224.0.0.5", "255.255.255.255"}) arrive(ipv4_packet(from, "10.8.0.2"));
  for (const char* from : {"::", "fe80::7", "febf::7", "ff02::5"})
    arrive(udp_packet(endpoint_of(from, 53), endpoint_of("fd00:8::2", 4000), Bytes(60, 1)));
  receive();
  EXPECT_EQ(received.inner_count, 0);
  EXPECT_EQ(twin->received.size(), 8u);
}

TEST_F(NicPortTest, LinkLocalAddressesAreTheKernelsWhateverTheDefaultRouteIs) {
  auto socket = std::make_shared<MemoryPort>(Side::kOuter);
  NicUdpPort udp(socket, *table, {port.get()});
  route("::", 0, kHopTun);
  arrive(udp_packet(endpoint_of("2001:db8:5::7", 4000), endpoint_of("fe80::1", 1194), Bytes(60, 1)));
  receive();
  EXPECT_EQ(received.inner_count, 0);
  EXPECT_EQ(twin->received.size(), 1u);
  arrive(udp_packet(endpoint_of("fe80::7", 4000), endpoint_of("2001:db8::1", 1194), Bytes(60, 1)));
  receive();
  EXPECT_EQ(received.outer_count, 0) << "whose answer only the kernel can send";
  EXPECT_EQ(twin->received.size(), 2u);

  route("::", 0, 9);  // through a neighbour, who is not where the client is
  rte_mbuf* packet = pool.packet(Bytes(100, 0x48));
  meta(packet).remote = endpoint_of("fe80::7", 4000);
  meta(packet).local = endpoint_of("fe80::1", 1194);
  udp.tx_burst({&packet, 1}, tally);
  EXPECT_TRUE(sent().empty());
  auto left = socket->take_sent();
  EXPECT_EQ(left.size(), 1u);
  for (rte_mbuf* one : left) rte_pktmbuf_free(one);
}

TEST_F(NicPortTest, ARouterThatFindsAPacketTooBigIsHeard) {
  for (uint16_t port_number : {uint16_t{1194}, uint16_t{53}}) {
    Bytes sent = udp_packet(endpoint_of("192.0.2.1", port_number), endpoint_of("198.51.100.7", 4000), Bytes(60, 1));
    Bytes message = ipv4_packet("203.0.113.1", "192.0.2.1", 8 + 28, wire::kProtocolIcmp);
    message[20] = 3, message[21] = 4;
    std::copy_n(sent.begin(), 28, message.begin() + 28);
    arrive(message);
  }
  receive();
  EXPECT_EQ(twin->received.size(), 2u);  // the kernel learns the path's MTU from them
  abi::IpAddress peer;
  ASSERT_TRUE(state.too_big.pop(peer));
  EXPECT_EQ(abi::to_text(peer), "198.51.100.7");
  EXPECT_FALSE(state.too_big.pop(peer));
}

TEST_F(NicPortTest, ADeviceMaySayThatItLeavesChecksumsToUs) {
  // As virtio does with what comes from the machine that it is a guest of.
  constexpr uint64_t kNone = RTE_MBUF_F_RX_L4_CKSUM_NONE;
  auto unfinished = [](Bytes packet) {
    uint16_t sum = wire::fold_checksum(wire::pseudo_header_sum(4, &packet[12], &packet[16], wire::kProtocolUdp,
                                                               static_cast<uint32_t>(packet.size() - 20)));
    packet[26] = static_cast<uint8_t>(sum >> 8);
    packet[27] = static_cast<uint8_t>(sum);
    return packet;
  };
  Bytes tunnel_packet = unfinished(to_listener());
  arrive(tunnel_packet);
  receive();
  EXPECT_EQ(received.outer_count, 0) << "but if it does not say so, it is wrong";
  EXPECT_EQ(drops(DropReason::nic_bad_checksum), 1u);
  arrive(tunnel_packet, kNone);
  arrive(unfinished(udp_packet(endpoint_of("198.51.100.7", 53), endpoint_of("10.8.0.2", 4000), Bytes(50, 3))), kNone);
  arrive(unfinished(udp_packet(endpoint_of("203.0.113.5", 4000), endpoint_of("192.0.2.1", 53), Bytes(50, 3))), kNone);
  receive();
  EXPECT_EQ(drops(DropReason::nic_bad_checksum), 1u);
  EXPECT_EQ(received.outer_count, 1);
  ASSERT_EQ(received.inner_count, 1);
  ASSERT_EQ(twin->received.size(), 1u);
  for (const Bytes& whole : {ethernet(bytes_of(received.inner[0])), twin->received[0]}) {
    Frame frame;
    ASSERT_EQ(read_frame(whole, false, frame), FrameKind::kIp);
    EXPECT_EQ(check_transport(whole, frame), Checksum::kRight);
  }
}

TEST_F(NicPortTest, WrongFramesAreCounted) {
  Bytes bad_sum = to_listener();
  bad_sum.back() ^= 1;
  arrive(bad_sum);
  Bytes cut = ethernet(to_listener(), mac());
  cut.resize(cut.size() - 1);
  arrive_frame(cut);
  arrive_frame(ethernet(to_listener(), mac(), mac()));
  receive();
  EXPECT_EQ(received.outer_count, 0);
  EXPECT_EQ(drops(DropReason::nic_bad_checksum), 1u);
  EXPECT_EQ(drops(DropReason::nic_malformed), 1u);
  EXPECT_EQ(drops(DropReason::nic_own_frame), 1u);
  rte_mbuf* chain = pool.packet(ethernet(to_listener(), mac()));
  ASSERT_EQ(rte_pktmbuf_chain(chain, pool.packet(Bytes(10, 1))), 0);
  ASSERT_EQ(rte_ring_enqueue(wire_.in, chain), 0);
  receive();
  EXPECT_EQ(received.outer_count, 0);
  EXPECT_EQ(drops(DropReason::nic_malformed), 2u) << "in two pieces";
  // A device that has checked is believed.
  arrive(bad_sum, RTE_MBUF_F_RX_L4_CKSUM_GOOD);
  receive();
  EXPECT_EQ(received.outer_count, 1);
}

}  // namespace
}  // namespace culvert::drivers
