#include "drivers/offload/segment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "drivers/offload/sum.h"
#include "tests/unit/support/super_packets.h"

namespace culvert::drivers::offload {
namespace {

using testing::PacketBytes;

TEST(Sum, EveryKernelAgreesWithTheChecksumAtEverySizeAndPlace) {
  std::mt19937 random(1);
  std::vector<uint8_t> bytes(70'000);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random() % 8 == 0 ? 0xFF : random());
  std::vector<uint8_t> copy(bytes.size());
  std::vector<SumKernel> kernels = sum_kernels();
  kernels.push_back({"the one that is used",
                     [](uint8_t*, const uint8_t* from, size_t size) {
                       return sum_of({from, size});
                     },
                     [](uint8_t* to, const uint8_t* from, size_t size) {
                       return copy_and_sum(to, {from, size});
                     }});
  auto check = [&](size_t at, size_t size) {
    auto part = std::span<const uint8_t>(bytes).subspan(at, size);
    uint32_t expected = wire::add_to_checksum(part);
    for (const SumKernel& kernel : kernels) {
      ASSERT_EQ(kernel.sum(nullptr, part.data(), size), expected) << kernel.name << " " << at << " " << size;
      std::fill(copy.begin(), copy.end(), uint8_t{0x5A});
      ASSERT_EQ(kernel.copy(copy.data(), part.data(), size), expected) << kernel.name << " " << at << " " << size;
      ASSERT_TRUE(std::equal(part.begin(), part.end(), copy.begin())) << kernel.name << " " << at << " " << size;
      ASSERT_EQ(copy[size], 0x5A) << kernel.name << " " << at << " " << size << ": wrote behind the end";
    }
  };
  for (size_t size = 0; size < 300; ++size) check(random() % 64, size);
  for (size_t i = 0; i < 200; ++i) check(random() % 64, random() % 65'535);
}

/// A super-packet as the kernel hands it out: TCP with `options`, or UDP.
struct Super {
  VnetHeader header;
  PacketBytes bytes;
};
Super make(uint8_t type, size_t payload, uint16_t segment, size_t options = 12, uint8_t flags = 0x10) {
  bool udp = type == kGsoUdp;
  size_t ip_size = type == kGsoTcp6 ? 40 : 20;
  size_t transport = udp ? 8 : 20 + options;
  Super super;
  super.header = {
      kNeedsChecksum, type, 0, segment, static_cast<uint16_t>(ip_size), udp ? kUdpChecksumOffset : kTcpChecksumOffset};
  super.bytes.resize(ip_size + transport + payload);
  std::iota(super.bytes.begin() + static_cast<std::ptrdiff_t>(ip_size + transport), super.bytes.end(), uint8_t{1});
  if (ip_size == 40) {
    auto& ip = *reinterpret_cast<wire::Ipv6Header*>(super.bytes.data());
    ip.version_class_flow.set(6u << 28);
    ip.payload_length.set(static_cast<uint16_t>(transport + payload));
    ip.next_header = 6;
    ip.source[15] = 1;
  } else {
    auto& ip = *reinterpret_cast<wire::Ipv4Header*>(super.bytes.data());
    ip.version_and_words = 0x45;
    ip.total_length.set(static_cast<uint16_t>(super.bytes.size()));
    ip.identification.set(0xFFFF);
    ip.protocol = udp ? 17 : 6;
    ip.source = {10, 8, 0, 1};
  }
  if (udp) {
    reinterpret_cast<wire::UdpHeader*>(&super.bytes[ip_size])->length.set(static_cast<uint16_t>(8 + payload));
  } else {
    auto& tcp = *reinterpret_cast<wire::TcpHeader*>(&super.bytes[ip_size]);
    tcp.sequence.set(0xFFFF'FF00);
    tcp.words = static_cast<uint8_t>((20 + options) / 4 << 4);
    tcp.flags = flags;
  }
  auto ip = *wire::read_ip(super.bytes);
  uint32_t sum = wire::pseudo_header_sum(ip.version, ip.source, ip.destination, ip.protocol,
                                         static_cast<uint32_t>(transport + payload));
  reinterpret_cast<wire::be16*>(&super.bytes[ip_size + super.header.checksum_offset])->set(wire::fold_checksum(sum));
  return super;
}

std::vector<PacketBytes> cut(const Super& super) {
  auto packets = testing::cut({{super.header, super.bytes}});
  EXPECT_TRUE(packets);
  return packets ? *packets : std::vector<PacketBytes>{};
}

TEST(SuperPacket, SegmentsAreWholePacketsWithRightChecksums) {
  for (uint8_t type : {kGsoTcp4, kGsoTcp6, kGsoUdp}) {
    auto super = make(type, 5000, 1200);
    auto packets = cut(super);
    ASSERT_EQ(packets.size(), 5u);
    PacketBytes payload;
    for (const PacketBytes& packet : packets) {
      auto ip = wire::read_ip(packet);
      ASSERT_TRUE(ip) << "length fields agree";
      if (ip->version == 4) {
        EXPECT_EQ(wire::finish_checksum(wire::add_to_checksum(std::span(packet).first(20))), 0);
      }
      EXPECT_EQ(testing::transport_checksum(packet, ip->header_length, ip->protocol), 0);
      size_t headers = ip->header_length + (type == kGsoUdp ? 8 : 32);
      payload.insert(payload.end(), packet.begin() + static_cast<std::ptrdiff_t>(headers), packet.end());
    }
    EXPECT_TRUE(std::equal(payload.begin(), payload.end(), super.bytes.end() - 5000, super.bytes.end()));
  }
}

TEST(SuperPacket, NumbersCountOnAndFlagsStandWhereTheyBelong) {
  auto packets = cut(make(kGsoTcp4, 3000, 1000, 0, 0x10 | 0x80 | 0x08 | 0x01));
  ASSERT_EQ(packets.size(), 3u);
  std::vector<uint8_t> flags;
  for (size_t i = 0; i < packets.size(); ++i) {
    const auto& ip = *reinterpret_cast<const wire::Ipv4Header*>(packets[i].data());
    const auto& tcp = *reinterpret_cast<const wire::TcpHeader*>(packets[i].data() + 20);
    EXPECT_EQ(ip.identification.get(), static_cast<uint16_t>(0xFFFF + i));
    EXPECT_EQ(tcp.sequence.get(), static_cast<uint32_t>(0xFFFF'FF00 + i * 1000));
    flags.push_back(tcp.flags);
  }
  EXPECT_EQ(flags, (std::vector<uint8_t>{0x90, 0x10, 0x19})) << "CWR first, PSH and FIN last";
}

TEST(SuperPacket, UdpChecksumIsNeverTheZeroThatMeansNone) {
  for (uint16_t value = 0; value < 0xFFFF; ++value) {
    auto super = make(kGsoUdp, 4, 2);
    super.bytes[28] = static_cast<uint8_t>(value >> 8);
    super.bytes[29] = static_cast<uint8_t>(value);
    auto first = cut(super).at(0);
    ASSERT_NE(reinterpret_cast<const wire::UdpHeader*>(&first[20])->checksum.get(), 0);
  }
}

TEST(SuperPacket, WhatDoesNotFitIsRefused) {
  auto refused = [](const std::function<void(Super&)>& change) {
    auto super = make(kGsoTcp4, 3000, 1000);
    change(super);
    return !SuperPacket::read(super.header, super.bytes);
  };
  EXPECT_FALSE(refused([](Super&) {}));
  EXPECT_TRUE(refused([](Super& s) { s.header.gso_type = 3; })) << "UDP fragments of old kernels";
  EXPECT_TRUE(refused([](Super& s) { s.header.gso_type = kGsoTcp6; }));
  EXPECT_TRUE(refused([](Super& s) { s.header.flags = 0; }));
  EXPECT_TRUE(refused([](Super& s) { s.header.segment_size = 0; }));
  EXPECT_TRUE(refused([](Super& s) { s.header.checksum_start = 24; }));
  EXPECT_TRUE(refused([](Super& s) { s.header.checksum_start = 60'000; }));
  EXPECT_TRUE(refused([](Super& s) { s.header.checksum_offset = 6; }));
  EXPECT_TRUE(refused([](Super& s) { s.bytes[32] = 0x40; })) << "header shorter than TCP's";
  EXPECT_TRUE(refused([](Super& s) {
    s.bytes.resize(20 + 36);
    s.bytes[32] = 0xA0;  // four bytes more than there are
  }));
  EXPECT_TRUE(refused([](Super& s) { s.bytes.resize(20); })) << "the checksum begins at the end";
  EXPECT_TRUE(refused([](Super& s) { s.bytes[0] = 0x46; })) << "options that the checksum would begin in";
  EXPECT_TRUE(refused([](Super& s) { s.bytes[0] = 0x65; })) << "IPv6 in the place of IPv4";
  EXPECT_TRUE(refused([](Super& s) { s.bytes.resize(kMaxSuperPacket + 1); }));
  auto ip6 = make(kGsoTcp6, 3000, 1000);
  EXPECT_TRUE(SuperPacket::read(ip6.header, ip6.bytes));
  ip6.header.checksum_start = 36;
  ip6.bytes[36 + 12] = 0x50;
  EXPECT_FALSE(SuperPacket::read(ip6.header, ip6.bytes)) << "within the IPv6 header";
  EXPECT_TRUE(refused([](Super& s) { s.bytes.resize(52); })) << "no payload";
  EXPECT_TRUE(refused([](Super& s) { s.bytes.resize(30); }));
  EXPECT_TRUE(refused([](Super& s) { s.bytes.clear(); }));
}

TEST(CompleteChecksum, IsDoneInPlaceOrNotAtAll) {
  auto super = make(kGsoTcp4, 333, 1000);
  super.header.gso_type = kGsoNone;
  ASSERT_TRUE(complete_checksum(super.header, super.bytes));
  EXPECT_EQ(testing::transport_checksum(super.bytes, 20, 6), 0);
  auto before = super.bytes;
  super.header.checksum_start = static_cast<uint16_t>(super.bytes.size() - 10);
  EXPECT_FALSE(complete_checksum(super.header, super.bytes));
  super.header.checksum_start = static_cast<uint16_t>(super.bytes.size() - kTcpChecksumOffset - 1);
  EXPECT_FALSE(complete_checksum(super.header, super.bytes)) << "the field's second byte is behind the end";
  super.header.flags = 0;
  EXPECT_TRUE(complete_checksum(super.header, super.bytes));
  EXPECT_EQ(super.bytes, before);
}

}  // namespace
}  // namespace culvert::drivers::offload
