// Reading frames, and the headers written in front of packets.
#include "drivers/nic/frame.h"

#include <gtest/gtest.h>

#include "drivers/nic/outer_headers.h"
#include "tests/unit/nic/frames.h"

namespace culvert::drivers {
namespace {

using testing::Bytes;
using testing::endpoint_of;
using testing::ethernet;
using testing::ipv4_packet;
using testing::ipv6_packet;
using testing::udp_packet;

FrameKind kind_of(const Bytes& frame) {
  Frame read;
  return read_frame(frame, false, read);
}

Bytes udp4(size_t payload = 100) {
  return udp_packet(endpoint_of("192.0.2.2", 4000), endpoint_of("192.0.2.1", 1194), Bytes(payload, 7));
}
Bytes udp6(size_t payload = 100) {
  return udp_packet(endpoint_of("2001:db8::2", 4000), endpoint_of("2001:db8::1", 1194), Bytes(payload, 7));
}

TEST(Frame, UdpOfBothFamiliesIsRead) {
  for (const Bytes& packet : {udp4(), udp6()}) {
    Frame frame;
    Bytes bytes = ethernet(packet);
    ASSERT_EQ(read_frame(bytes, false, frame), FrameKind::kIp);
    EXPECT_TRUE(frame.is_udp);
    EXPECT_EQ(frame.source_port, 4000);
    EXPECT_EQ(frame.destination_port, 1194);
    EXPECT_EQ(frame.ip_length, packet.size());
    EXPECT_EQ(frame.hops, 64);
    EXPECT_EQ(check_transport(bytes, frame), Checksum::kRight);
  }
}

TEST(Frame, PaddingIsNotPartOfThePacket) {
  Bytes bytes = ethernet(udp4(1));
  bytes.resize(60);
  Frame frame;
  ASSERT_EQ(read_frame(bytes, false, frame), FrameKind::kIp);
  EXPECT_EQ(frame.ip_length, 20 + 8 + 1);
}

TEST(Frame, EveryCutIsMalformed) {
  for (const Bytes& packet : {udp4(40), udp6(40)}) {
    Bytes whole = ethernet(packet);
    for (size_t size = 0; size < whole.size(); ++size)
      EXPECT_EQ(kind_of(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))), FrameKind::kMalformed)
          << size;
  }
}

TEST(Frame, WhatIsNotPlainIsTheKernels) {
  Bytes arp = ethernet(udp4());
  arp[12] = 0x08, arp[13] = 0x06;
  EXPECT_EQ(kind_of(arp), FrameKind::kOther);
  Bytes tagged = ethernet(udp4());
  tagged[12] = 0x81, tagged[13] = 0;
  EXPECT_EQ(kind_of(tagged), FrameKind::kOther);

  for (uint16_t fragment : {0x2000, 0x0001, 0x2001}) {
    Bytes packet = udp4();
    auto& ip = *reinterpret_cast<wire::Ipv4Header*>(packet.data());
    ip.fragment.set(fragment);
    EXPECT_EQ(kind_of(ethernet(packet)), FrameKind::kOther) << fragment;
  }
  Bytes options = udp4();
  options[0] = 0x46;
  EXPECT_EQ(kind_of(ethernet(options)), FrameKind::kOther);
  for (uint8_t extension : {0, 43, 44, 60}) {
    Bytes packet = udp6();
    packet[6] = extension;
    EXPECT_EQ(kind_of(ethernet(packet)), FrameKind::kOther) << int{extension};
  }
}

TEST(Frame, Ipv4HeaderChecksumIsLookedAtUnlessTheDeviceHas) {
  Bytes bytes = ethernet(udp4());
  bytes[14 + 8] = 63;  // TTL
  EXPECT_EQ(kind_of(bytes), FrameKind::kMalformed);
  Frame frame;
  EXPECT_EQ(read_frame(bytes, true, frame), FrameKind::kIp);
}

TEST(Frame, UdpLengthMustFit) {
  // Shorter than the IP packet: what stands behind it counts for no checksum (RFC 9868, UDP options).
  for (uint16_t length : {0, 7, 8, 107, 109, 65535}) {
    Bytes packet = udp4(100);
    reinterpret_cast<wire::UdpHeader*>(packet.data() + 20)->length.set(length);
    Frame frame;
    Bytes bytes = ethernet(packet);
    ASSERT_EQ(read_frame(bytes, false, frame), FrameKind::kIp);
    EXPECT_FALSE(frame.is_udp) << length;
  }
}

TEST(Frame, WithoutItsWholeHeaderItIsNoUdp) {
  for (uint8_t size = 0; size < 8; ++size) {
    Bytes bytes = ethernet(ipv4_packet("192.0.2.2", "192.0.2.1", size, 17));
    bytes.resize(60);
    bytes[kIpOffset + 20 + 5] = size;  // where its length would stand, in the frame's padding if need be
    Frame frame;
    ASSERT_EQ(read_frame(bytes, false, frame), FrameKind::kIp);
    EXPECT_FALSE(frame.is_udp) << int{size};
  }
}

TEST(Frame, WithoutItsWholeHeaderTcpHasNoChecksum) {
  for (size_t size : {16, 17, 18, 19}) {
    Bytes bytes = ethernet(ipv4_packet("192.0.2.2", "192.0.2.1", size, 6));
    Frame frame;
    ASSERT_EQ(read_frame(bytes, false, frame), FrameKind::kIp);
    const Bytes before = bytes;
    EXPECT_EQ(check_transport(bytes, frame), Checksum::kRight);
    bytes.resize(bytes.size() + 4);  // what stands behind the packet stays
    complete_checksum(bytes, frame);
    EXPECT_TRUE(std::equal(before.begin(), before.end(), bytes.begin()));
    EXPECT_EQ(Bytes(bytes.end() - 4, bytes.end()), Bytes(4, 0));
  }
}

TEST(Frame, UdpChecksumsAreNeverCompletedToTheZeroThatMeansNone) {
  Bytes bytes = ethernet(udp4(2));
  Frame frame;
  ASSERT_EQ(read_frame(bytes, false, frame), FrameKind::kIp);
  for (uint32_t value = 0; value <= 0xFFFF; ++value) {
    bytes[kIpOffset + 28] = static_cast<uint8_t>(value >> 8);
    bytes[kIpOffset + 29] = static_cast<uint8_t>(value);
    complete_checksum(bytes, frame);
    ASSERT_NE(bytes[kIpOffset + 26] | bytes[kIpOffset + 27], 0) << value;
  }
}

TEST(Frame, ChecksumsOfEveryLengthAndKind) {
  for (size_t payload = 0; payload < 70; ++payload) {
    for (const Bytes& packet : {udp4(payload), udp6(payload)}) {
      Bytes bytes = ethernet(packet);
      Frame frame;
      ASSERT_EQ(read_frame(bytes, false, frame), FrameKind::kIp);
      EXPECT_EQ(check_transport(bytes, frame), Checksum::kRight) << payload;
      EXPECT_FALSE(has_partial_checksum(bytes, frame));
      bytes.back() ^= 0x10;  // of the payload, or of the checksum itself
      EXPECT_EQ(check_transport(bytes, frame), Checksum::kWrong) << payload;
    }
  }
}

TEST(Frame, PartialChecksumsAreKnownAndCompleted) {
  Bytes tcp = testing::tcp_syn(4, {});
  for (Bytes packet : {udp4(33), udp6(33), tcp}) {
    Bytes whole = ethernet(packet);
    Frame frame;
    ASSERT_EQ(read_frame(whole, false, frame), FrameKind::kIp);
    Bytes bytes = whole;
    size_t at = kIpOffset + frame.ip.header_length + (frame.is_udp ? 6u : 16u);
    uint16_t pseudo = wire::fold_checksum(
        wire::pseudo_header_sum(frame.ip.version, frame.ip.source, frame.ip.destination, frame.ip.protocol,
                                static_cast<uint32_t>(frame.ip_length - frame.ip.header_length)));
    bytes[at] = static_cast<uint8_t>(pseudo >> 8), bytes[at + 1] = static_cast<uint8_t>(pseudo);
    ASSERT_EQ(read_frame(bytes, false, frame), FrameKind::kIp);
    EXPECT_EQ(check_transport(bytes, frame), Checksum::kPartial);
    EXPECT_TRUE(has_partial_checksum(bytes, frame));
    complete_checksum(bytes, frame);
    EXPECT_EQ(bytes, whole);
  }
}

TEST(Frame, Ipv4UdpMayHaveNoChecksum) {
  Bytes packet = udp4();
  packet[26] = packet[27] = 0;
  Bytes bytes = ethernet(packet);
  Frame frame;
  ASSERT_EQ(read_frame(bytes, false, frame), FrameKind::kIp);
  EXPECT_EQ(check_transport(bytes, frame), Checksum::kRight);
}

TEST(Frame, Ipv6UdpMustHaveOne) {  // RFC 8200, section 8.1
  Bytes packet = udp6();
  packet[46] = packet[47] = 0;
  Bytes bytes = ethernet(packet);
  Frame frame;
  ASSERT_EQ(read_frame(bytes, false, frame), FrameKind::kIp);
  EXPECT_EQ(check_transport(bytes, frame), Checksum::kWrong);
}

TEST(Frame, LinkLocalIsWhateverHasEitherEndThere) {
  auto is = [](const std::string& from, const std::string& to) {
    Bytes packet = ipv6_packet(from, to);
    return is_link_local(*wire::read_ip(packet));
  };
  EXPECT_TRUE(is("fe80::1", "2001:db8::1"));
  EXPECT_TRUE(is("2001:db8::1", "febf::1"));
  EXPECT_FALSE(is("2001:db8::1", "fec0::1"));
  Bytes ip4 = ipv4_packet("254.128.0.1", "254.128.0.2");
  EXPECT_FALSE(is_link_local(*wire::read_ip(ip4)));
}

/// An ICMP message of type and code about `packet`, from a router.
Bytes icmp_about(const Bytes& packet, uint8_t type, uint8_t code, size_t quoted) {
  bool is_ip4 = packet[0] >> 4 == 4;
  Bytes made = is_ip4 ? ipv4_packet("203.0.113.1", "192.0.2.1", 8 + quoted, 1)
                      : ipv6_packet("2001:db8:f::1", "2001:db8::1", 8 + quoted, 58);
  auto at = made.end() - static_cast<std::ptrdiff_t>(8 + quoted);
  at[0] = type, at[1] = code;
  std::copy_n(packet.begin(), quoted, at + 8);
  return made;
}

std::optional<Refused> refused_by(const Bytes& message) {
  Frame frame;
  Bytes bytes = ethernet(message);
  EXPECT_EQ(read_frame(bytes, false, frame), FrameKind::kIp);
  return read_too_big(bytes, frame);
}

TEST(Frame, RoutersSayWhatIsTooBig) {
  Bytes sent4 = udp_packet(endpoint_of("192.0.2.1", 1194), endpoint_of("198.51.100.7", 4000), Bytes(60, 1));
  auto refused = refused_by(icmp_about(sent4, 3, 4, 28));
  ASSERT_TRUE(refused);
  EXPECT_EQ(abi::to_text(refused->destination), "198.51.100.7");
  EXPECT_EQ(refused->source_port, 1194);
  Bytes sent6 = udp_packet(endpoint_of("2001:db8::1", 1194), endpoint_of("2001:db8:7::7", 4000), Bytes(60, 1));
  refused = refused_by(icmp_about(sent6, 2, 0, 100));
  ASSERT_TRUE(refused);
  EXPECT_EQ(abi::to_text(refused->destination), "2001:db8:7::7");

  EXPECT_FALSE(refused_by(icmp_about(sent4, 3, 3, 28)));
  EXPECT_FALSE(refused_by(icmp_about(sent4, 11, 0, 28)));
  EXPECT_FALSE(refused_by(icmp_about(sent6, 1, 0, 100)));
  for (size_t quoted = 0; quoted < 28; ++quoted) EXPECT_FALSE(refused_by(icmp_about(sent4, 3, 4, quoted))) << quoted;
  for (size_t quoted = 0; quoted < 48; ++quoted) EXPECT_FALSE(refused_by(icmp_about(sent6, 2, 0, quoted))) << quoted;
  sent4[0] = 0x46;  // we send no options
  EXPECT_FALSE(refused_by(icmp_about(sent4, 3, 4, 40)));
  sent4[0] = 0x45;
  sent4[9] = 6;  // about a TCP packet: not ours
  EXPECT_FALSE(refused_by(icmp_about(sent4, 3, 4, 28)));
  Bytes other_version = icmp_about(sent6, 2, 0, 100);
  other_version[48] = 0x45;
  EXPECT_FALSE(refused_by(other_version));
}

TEST(Frame, AHopLessKeepsTheHeaderRight) {
  for (unsigned hops = 1; hops < 256; ++hops) {
    Bytes packet = ipv4_packet("192.0.2.1", "198.51.100.7");
    auto& ip = *reinterpret_cast<wire::Ipv4Header*>(packet.data());
    ip.ttl = static_cast<uint8_t>(hops);
    ip.checksum.set(0);
    ip.checksum.set(wire::finish_checksum(wire::add_to_checksum({packet.data(), 20})));
    take_hop(packet.data());
    EXPECT_EQ(ip.ttl, hops - 1);
    EXPECT_EQ(kind_of(ethernet(packet)), FrameKind::kIp) << hops;
  }
  Bytes packet = ipv6_packet("2001:db8::1", "2001:db8::2");
  take_hop(packet.data());
  EXPECT_EQ(packet[7], 63);
}

TEST(OuterHeaders, AreWhatAReceiverExpects) {
  for (bool is_ip4 : {true, false}) {
    abi::Endpoint from = endpoint_of(is_ip4 ? "192.0.2.1" : "2001:db8::1", 1194);
    abi::Endpoint to = endpoint_of(is_ip4 ? "192.0.2.2" : "2001:db8::2", 4000);
    for (size_t payload : {0, 1, 63, 1400}) {
      Bytes buffer(14 + 48 + payload, 0xEE);
      size_t front = buffer.size() - payload - udp_headers_size(from.address.family);
      std::span<uint8_t> text(buffer.data() + buffer.size() - payload, payload);
      write_udp_headers(text, {from, to, true, true});
      write_ethernet(buffer.data() + front, testing::kNeighbour, testing::kOurs);
      Bytes bytes(buffer.begin() + static_cast<std::ptrdiff_t>(front) - 14, buffer.end());
      Frame frame;
      ASSERT_EQ(read_frame(bytes, false, frame), FrameKind::kIp);
      EXPECT_TRUE(frame.is_udp);
      EXPECT_EQ(frame.source_port, 1194);
      EXPECT_EQ(frame.destination_port, 4000);
      EXPECT_EQ(frame.hops, 64);
      EXPECT_EQ(check_transport(bytes, frame), Checksum::kRight);
      // Whatever stood there before: no ECN, no identification, and never cut into fragments.
      const Bytes first = is_ip4 ? Bytes{0x45, 0} : Bytes{0x60, 0, 0, 0};
      EXPECT_TRUE(std::equal(first.begin(), first.end(), bytes.begin() + kIpOffset));
      if (is_ip4) {
        EXPECT_EQ(Bytes(bytes.begin() + kIpOffset + 4, bytes.begin() + kIpOffset + 8), (Bytes{0, 0, 0x40, 0}));
      }
      // What a device with offloads gets to finish.
      write_udp_headers(text, {from, to, false, false});
      bytes.assign(buffer.begin() + static_cast<std::ptrdiff_t>(front) - 14, buffer.end());
      ASSERT_EQ(read_frame(bytes, true, frame), FrameKind::kIp);
      EXPECT_EQ(check_transport(bytes, frame), Checksum::kPartial);
    }
  }
}

TEST(OuterHeaders, UdpChecksumIsNeverTheZeroThatMeansNone) {
  Bytes buffer(64, 0xEE);
  const OuterHeaders headers{endpoint_of("192.0.2.1", 1194), endpoint_of("192.0.2.2", 4000), true, true};
  for (uint32_t value = 0; value <= 0xFFFF; ++value) {
    buffer[62] = static_cast<uint8_t>(value >> 8);
    buffer[63] = static_cast<uint8_t>(value);
    write_udp_headers(std::span(buffer).last(2), headers);
    ASSERT_NE(buffer[60] | buffer[61], 0) << value;
  }
}

}  // namespace
}  // namespace culvert::drivers
