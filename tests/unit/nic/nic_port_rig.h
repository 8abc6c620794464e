// A NIC port on a ring device: what its tests share.
#pragma once

#include <gtest/gtest.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ring.h>

#include "drivers/nic/nic_port.h"
#include "tests/unit/nic/frames.h"
#include "tests/unit/support/eal.h"

namespace culvert::drivers {

using abi::DropReason;
using testing::Bytes;
using testing::endpoint_of;
using testing::ethernet;
using testing::ipv4_packet;
using testing::kNeighbour;
using testing::udp_packet;

inline Bytes bytes_of(rte_mbuf* packet) {
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

class NicPortRig : public ::testing::Test {
 protected:
  NicPortRig() {
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
  ~NicPortRig() override {
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

inline Bytes to_listener(const Bytes& payload = Bytes(50, 3)) {
  return udp_packet(endpoint_of("203.0.113.5", 4000), endpoint_of("192.0.2.1", 1194), payload);
}

}  // namespace culvert::drivers
