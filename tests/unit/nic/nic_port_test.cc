// A NIC port on a ring device: what it takes, what the kernel gets, and what leaves through it.
#include "drivers/nic/nic_port.h"

#include <gtest/gtest.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ring.h>

#include "drivers/memory.h"
#include "drivers/nic/nic_inner.h"
#include "drivers/nic/nic_udp.h"
#include "tests/unit/nic/frames.h"
#include "tests/unit/support/eal.h"

namespace culvert::drivers {
namespace {

using abi::DropReason;
using testing::Bytes;
using testing::endpoint_of;
using testing::ethernet;
using testing::ipv4_packet;
using testing::kNeighbour;
using testing::udp_packet;

Bytes bytes_of(rte_mbuf* packet) {
  const auto* data = rte_pktmbuf_mtod(packet, const uint8_t*);
  return Bytes(data, data + packet->data_len);
}

/// What the kernel would get, and what it sends.
class FakeTwin final : public Twin {
 public:
  ~FakeTwin() override {
    for (rte_mbuf* frame : to_send) rte_pktmbuf_free(frame);
  }
  uint16_t rx_burst(std::span<rte_mbuf*> out, abi::Tally&) override {
    auto count = static_cast<uint16_t>(std::min(out.size(), to_send.size()));
    std::copy_n(to_send.begin(), count, out.begin());
    to_send.erase(to_send.begin(), to_send.begin() + count);
    return count;
  }
  void tx_burst(std::span<rte_mbuf*> frames, abi::Tally& tally) override {
    tally.add(abi::Counter::twin_tx_packets, frames.size());
    for (rte_mbuf* frame : frames) {
      received.push_back(bytes_of(frame));
      rte_pktmbuf_free(frame);
    }
  }
  int index() const override { return 1; }
  std::string text() const override { return "fake"; }
  bool is_gone() const override { return false; }
  Result<std::vector<std::unique_ptr<Twin>>> make_next(const TwinSettings&, size_t) const override {
    return Error{"fake"};
  }
  Status go_on_with(Twin&) override { return Error{"fake"}; }

  std::vector<rte_mbuf*> to_send;
  std::vector<Bytes> received;
};

/// A ring device: what the port sends goes to `out`, what is put into `in` it receives.
struct Wire {
  Wire() {
    testing::start_eal(512);
    static int number = 0;
    name = "nic_test" + std::to_string(number++);
    in = rte_ring_create((name + "_in").c_str(), 1024, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
    out = rte_ring_create((name + "_out").c_str(), 1024, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
    EXPECT_GE(rte_eth_from_rings(name.c_str(), &in, 1, &out, 1, 0), 0);
  }
  ~Wire() {
    rte_ring_free(in);
    rte_ring_free(out);
  }
  std::string name;
  rte_ring* in = nullptr;
  rte_ring* out = nullptr;
};

class NicPortTest : public ::testing::Test {
 protected:
  NicPortTest() {
    auto opened = EthDevice::open({"net_ring_" + wire_.name, 1500, 1}, pool.get());
    EXPECT_TRUE(opened) << (opened ? "" : opened.error());
    device = std::make_unique<EthDevice>(std::move(*opened));
    auto made = ForwardingTable::make("nic_port_test", 1024);
    EXPECT_TRUE(made);
    table = std::move(*made);
    auto fake = std::make_unique<FakeTwin>();
    twin = fake.get();
    port = std::make_unique<NicPort>(*device, 0, 0, std::move(fake), *table, state);
    port->set_listeners({{endpoint_of("0.0.0.0", 1194), false, 4}, {endpoint_of("2001:db8::1", 1194), false, 5}});
    table->set_next_hop(9, NextHop::through(0, kNeighbour));
    route("192.0.2.1", 32, kHopLocal);
    route("2001:db8::1", 128, kHopLocal);
    route("10.8.0.0", 24, kHopTun);
    route("198.51.100.0", 24, 9);
    route("2001:db8:5::", 48, 9);
  }
  ~NicPortTest() override {
    free_all();
    port.reset();
    device.reset();
  }

  void route(const std::string& address, uint8_t length, uint16_t hop) {
    ASSERT_TRUE(table->set_route({*abi::parse_ip(address), length}, hop));
  }
  wire::MacAddress mac() const { return device->mac(); }
  /// A frame for the port, from a neighbour.
  void arrive(const Bytes& packet, uint64_t flags = 0) { arrive_frame(ethernet(packet, mac()), flags); }
  void arrive_frame(const Bytes& frame, uint64_t flags = 0) {
    rte_mbuf* packet = pool.packet(frame);
    packet->ol_flags = flags;
    ASSERT_EQ(rte_ring_enqueue(wire_.in, packet), 0);
  }
  void receive() {
    free_all();
    port->receive(received, tally);
  }
  std::vector<Bytes> sent() {
    port->flush(tally);
    std::vector<Bytes> frames;
    void* frame = nullptr;
    while (rte_ring_dequeue(wire_.out, &frame) == 0) {
      frames.push_back(bytes_of(static_cast<rte_mbuf*>(frame)));
      rte_pktmbuf_free(static_cast<rte_mbuf*>(frame));
    }
    return frames;
  }
  uint64_t counted(abi::Counter counter) const { return tally.counters[static_cast<size_t>(counter)]; }
  uint64_t drops(DropReason reason) const { return tally.drops[static_cast<size_t>(reason)]; }
  void free_all() {
    for (uint16_t i = 0; i < received.outer_count; ++i) rte_pktmbuf_free(received.outer[i]);
    for (uint16_t i = 0; i < received.inner_count; ++i) rte_pktmbuf_free(received.inner[i]);
    received.outer_count = received.inner_count = 0;
  }

  Wire wire_;
  testing::PacketPool pool;
  std::unique_ptr<EthDevice> device;
  std::unique_ptr<ForwardingTable> table;
  NicState state;
  FakeTwin* twin = nullptr;
  std::unique_ptr<NicPort> port;
  NicPort::Received received;
  abi::Tally tally;
};

Bytes to_listener(const Bytes& payload = Bytes(50, 3)) {
  return udp_packet(endpoint_of("203.0.113.5", 4000), endpoint_of("192.0.2.1", 1194), payload);
}

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
  // A device that has checked is believed.
  arrive(bad_sum, RTE_MBUF_F_RX_L4_CKSUM_GOOD);
  receive();
  EXPECT_EQ(received.outer_count, 1);
}

TEST_F(NicPortTest, FramesOfTheKernelLeaveThroughThePort) {
  Bytes frame = ethernet(to_listener(), kNeighbour, mac());
  twin->to_send.push_back(pool.packet(frame));
  receive();
  EXPECT_EQ(sent(), std::vector<Bytes>{frame});
}

TEST_F(NicPortTest, WithoutLinkNothingIsSent) {
  state.has_link = false;
  twin->to_send.push_back(pool.packet(ethernet(to_listener(), kNeighbour, mac())));
  receive();
  EXPECT_TRUE(sent().empty());
  EXPECT_EQ(drops(DropReason::tx_port_down), 1u);
}

TEST_F(NicPortTest, AFullQueueIsCounted) {
  for (int i = 0; i < 1100; ++i)
    port->send(pool.packet(ipv4_packet("10.8.0.2", "198.51.100.7")), kNeighbour, Side::kInner, 40, tally);
  port->flush(tally);
  EXPECT_EQ(drops(DropReason::tx_queue_full), 1100u - 1023u);
  EXPECT_EQ(counted(abi::Counter::inner_tx_packets), 1023u) << "sent or dropped, never both";
  EXPECT_EQ(counted(abi::Counter::inner_tx_bytes), 1023u * 40);
  EXPECT_EQ(sent().size(), 1023u);
}

TEST_F(NicPortTest, LossesOfTheDeviceAreCountedOnce) {
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

TEST_F(NicPortTest, ADeviceThatDoesNotAnswerForOnceIsNotCountedAnew) {
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

TEST_F(NicPortTest, TunnelPacketsLeaveWithHeadersOrThroughTheSocket) {
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

TEST_F(NicPortTest, WhatFindsNoLinkIsNotCountedAsSent) {
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

TEST_F(NicPortTest, InnerPacketsLeaveThroughThePortOrTheTun) {
  auto tun = std::make_shared<MemoryPort>(Side::kInner);
  NicInnerPort inner(tun, *table, {port.get()});
  Bytes last_hop = ipv4_packet("10.8.0.2", "198.51.100.7");
  last_hop[8] = 1;
  std::vector<rte_mbuf*> burst = {
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
  EXPECT_EQ(rest.size(), 3u);
  for (rte_mbuf* packet : rest) rte_pktmbuf_free(packet);
}

}  // namespace
}  // namespace culvert::drivers
