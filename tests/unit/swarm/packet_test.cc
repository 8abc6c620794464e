#include "perf/swarm/packet.h"

#include <gtest/gtest.h>

#include <vector>

namespace culvert::swarm {
namespace {

constexpr size_t kPacketSize = 200;

std::vector<uint8_t> packet() {
  std::vector<uint8_t> bytes(kPacketSize);
  write_headers(bytes.data(), kPacketSize, {10, 8, 0, 2}, kDataPort, {10, 8, 0, 1}, kEchoPort);
  write_payload(std::span(bytes).subspan(kInnerHeaders), {kMagic, 3, 7, 99, 123456789, 0});
  return bytes;
}

TEST(Packet, IsReadAsItWasWritten) {
  std::vector<uint8_t> bytes = packet();
  uint16_t port = 0;
  auto payload = udp_payload(bytes, port);
  EXPECT_EQ(port, kDataPort);
  ASSERT_EQ(payload.size(), kPacketSize - kInnerHeaders);
  Stamp stamp{};
  ASSERT_TRUE(read_payload(payload, stamp));
  EXPECT_EQ(stamp.phase, 3u);
  EXPECT_EQ(stamp.client, 7u);
  EXPECT_EQ(stamp.number, 99u);
  EXPECT_EQ(stamp.sent_ns, 123456789u);
}

TEST(Packet, EveryDamagedFillerByteIsNoticed) {
  for (size_t at = kSmallestInner; at < kPacketSize; ++at) {
    std::vector<uint8_t> bytes = packet();
    bytes[at] ^= 0x10;
    uint16_t port = 0;
    Stamp stamp{};
    EXPECT_FALSE(read_payload(udp_payload(bytes, port), stamp)) << at;
  }
}

TEST(Packet, DamagedHeadersAreNoticed) {
  for (size_t at : {8u, 10u, 12u, 24u}) {  // hops, checksum, source, length of UDP
    std::vector<uint8_t> bytes = packet();
    bytes[at] ^= 1;
    uint16_t port = 0;
    EXPECT_TRUE(udp_payload(bytes, port).empty()) << at;
    EXPECT_EQ(port, kDataPort);
  }
}

TEST(Packet, ChecksumIsRightAndGuardsEveryByte) {
  std::vector<uint8_t> bytes = packet();
  write_checksum(bytes.data(), kPacketSize);
  EXPECT_NE(bytes[26] << 8 | bytes[27], 0);  // RFC 768's place for it, behind 20 bytes of IPv4
  uint16_t port = 0;
  EXPECT_EQ(udp_payload(bytes, port).size(), kPacketSize - kInnerHeaders);
  for (size_t at = kInnerHeaders; at < kPacketSize; ++at) {
    bytes[at] ^= 0x10;
    EXPECT_TRUE(udp_payload(bytes, port).empty()) << at;
    bytes[at] ^= 0x10;
  }
}

TEST(Packet, OtherProtocolsAreNotOurs) {
  std::vector<uint8_t> bytes = packet();
  bytes[9] = 1;  // ICMP
  uint16_t port = 1;
  EXPECT_TRUE(udp_payload(bytes, port).empty());
  EXPECT_EQ(port, 0);
}

}  // namespace
}  // namespace culvert::swarm
