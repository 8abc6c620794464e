// What the TUN port makes of packets at its limits. A pair of sockets stands in for the device, so that the test says
// what the kernel hands out.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <memory>
#include <random>

#include "drivers/packet_room.h"
#include "drivers/tun.h"
#include "tests/unit/support/eal.h"
#include "tests/unit/support/flow_corpus.h"
#include "tests/unit/support/inner_packets.h"

namespace culvert::drivers {
namespace {

using abi::DropReason;
using offload::VnetHeader;
using testing::Bytes;

class TunReading : public ::testing::TestWithParam<bool> {
 protected:
  void open(bool vnet_header) {
    std::array<int, 2> ends{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
    kernel_ = FileDescriptor(ends[1]);
    vnet_header_ = vnet_header;
    port_ = std::make_unique<TunPort>(
        TunDevice{FileDescriptor(ends[0]), "cvt0", {.vnet_header = vnet_header, .tcp = vnet_header}, nullptr},
        pool_.get());
  }
  void TearDown() override { drop_packets(); }

  void hand_out(Bytes packet, VnetHeader header = {}) const {
    std::array<iovec, 2> pieces{{{&header, sizeof header}, {packet.data(), packet.size()}}};
    auto used = vnet_header_ ? std::span(pieces) : std::span(pieces).subspan(1);
    ASSERT_GT(writev(kernel_.get(), used.data(), static_cast<int>(used.size())), 0);
  }
  /// A super-packet of TCP with so many segments.
  void hand_out_super(size_t segments, uint16_t segment_size) const {
    Bytes packet = testing::ipv4_packet("10.8.0.1", "10.8.0.2", 20 + segments * segment_size, 6);
    packet[20 + 12] = 0x50;
    packet[20 + 13] = wire::kTcpAck;
    hand_out(packet, {offload::kNeedsChecksum, offload::kGsoTcp4, 40, segment_size, 20, offload::kTcpChecksumOffset});
  }
  /// Packets of one burst of at most `most`, which stay in packets_.
  size_t receive(size_t most = 64) {
    std::array<rte_mbuf*, 64> burst;
    uint16_t count = port_->rx_burst(std::span(burst).first(most), tally_);
    packets_.insert(packets_.end(), burst.begin(), burst.begin() + count);
    return count;
  }
  void drop_packets() {
    rte_pktmbuf_free_bulk(packets_.data(), static_cast<unsigned>(packets_.size()));
    packets_.clear();
  }
  uint64_t dropped(DropReason reason) const { return tally_.drops[static_cast<size_t>(reason)]; }

  testing::PacketPool pool_{255};
  size_t room_ = packet_room(pool_.get());
  abi::Tally tally_;
  FileDescriptor kernel_;
  bool vnet_header_ = false;
  std::unique_ptr<TunPort> port_;
  std::vector<rte_mbuf*> packets_;
};

TEST_P(TunReading, APacketIsWholeOrDropped) {
  open(GetParam());
  // Without the header in front nothing tells a packet that just fills the room from one that was cut.
  const size_t longest = GetParam() ? room_ : room_ - 1;
  hand_out(testing::ipv4_packet("10.8.0.1", "10.8.0.2", longest - 20));
  hand_out(testing::ipv4_packet("10.8.0.1", "10.8.0.2", longest - 20 + 1));
  hand_out(testing::ipv4_packet("10.8.0.1", "10.8.0.2", 100));
  EXPECT_EQ(receive(), 2u);
  EXPECT_EQ(packets_[0]->data_len, longest);
  EXPECT_EQ(packets_[1]->data_len, 120);
  EXPECT_EQ(dropped(DropReason::inner_too_big), 1u);
}

INSTANTIATE_TEST_SUITE_P(VnetHeader, TunReading, ::testing::Bool());

using TunSuperPackets = TunReading;

TEST_F(TunSuperPackets, SegmentsThatNoBufferHoldsAreDropped) {
  open(true);
  hand_out_super(3, static_cast<uint16_t>(room_ - 40 + 1));
  EXPECT_EQ(receive(), 0u);
  EXPECT_EQ(dropped(DropReason::inner_too_big), 3u);
  hand_out_super(3, static_cast<uint16_t>(room_ - 40));
  EXPECT_EQ(receive(), 3u);
  EXPECT_EQ(packets_[0]->data_len, room_);
}

TEST_F(TunSuperPackets, OneThatHasNoRoomInTheBurstWaitsAsAWhole) {
  open(true);
  hand_out(testing::ipv4_packet("10.8.0.1", "10.8.0.2"));
  hand_out_super(8, 1000);
  EXPECT_EQ(receive(8), 1u);
  EXPECT_EQ(receive(8), 8u);
  hand_out_super(20, 1000);
  EXPECT_EQ(receive(8) + receive(8), 16u) << "but not one that never has";
  EXPECT_EQ(receive(8), 4u);
}

TEST_F(TunSuperPackets, OneThatIsNotWrittenIsAllItsPackets) {
  open(true);
  std::mt19937 random(7);
  testing::FlowCorpus corpus([&](uint32_t n) { return static_cast<uint32_t>(random() % n); });
  uint64_t given = 0;
  for (int round = 0; round < 100 && dropped(DropReason::tx_queue_full) == 0; ++round) {
    std::vector<rte_mbuf*> burst;
    for (const auto& packet : corpus.burst(64))
      if (packet.size() <= room_) burst.push_back(pool_.packet(packet));
    given += burst.size();
    port_->tx_burst(burst, tally_);
  }
  const uint64_t written = tally_.counters[static_cast<size_t>(abi::Counter::inner_tx_packets)];
  EXPECT_GT(dropped(DropReason::tx_queue_full), 0u) << "nobody reads";
  EXPECT_EQ(written + dropped(DropReason::tx_queue_full), given);
}

TEST_F(TunSuperPackets, WhatHasNoBuffersIsCountedAndGone) {
  open(true);
  while (pool_.in_use() < 250) packets_.push_back(pool_.packet({}));
  hand_out_super(20, 1000);
  const size_t received = receive();
  EXPECT_GT(received, 0u);
  EXPECT_EQ(dropped(DropReason::mempool_empty), 20 - received);
  drop_packets();
  EXPECT_EQ(receive(), 0u) << "nothing of it comes later";
}

}  // namespace
}  // namespace culvert::drivers
