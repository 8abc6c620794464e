#include "dataplane/wire/ip.h"

#include <gtest/gtest.h>

#include "tests/unit/support/inner_packets.h"

namespace culvert::wire {
namespace {

using testing::Bytes;
using testing::ipv4_packet;
using testing::ipv6_packet;

TEST(ReadIp, ReadsBothVersions) {
  Bytes four = ipv4_packet("10.8.0.2", "192.0.2.1", 8, 17);
  auto ip4 = read_ip(four);
  ASSERT_TRUE(ip4);
  EXPECT_EQ(ip4->version, 4);
  EXPECT_EQ(ip4->protocol, 17);
  EXPECT_EQ(ip4->header_length, 20);
  EXPECT_FALSE(ip4->later_fragment);
  EXPECT_EQ(ip4->source, four.data() + 12);
  EXPECT_EQ(ip4->destination, four.data() + 16);

  Bytes six = ipv6_packet("fd00::2", "2001:db8::1", 8, 6);
  auto ip6 = read_ip(six);
  ASSERT_TRUE(ip6);
  EXPECT_EQ(ip6->version, 6);
  EXPECT_EQ(ip6->protocol, 6);
  EXPECT_EQ(ip6->source, six.data() + 8);
  EXPECT_EQ(ip6->destination, six.data() + 24);
}

TEST(ReadIp, RefusesEveryLengthButItsOwn) {
  for (const Bytes& whole : {ipv4_packet("10.8.0.2", "192.0.2.1", 40), ipv6_packet("fd00::2", "fd00::1", 40)})
    for (size_t length = 0; length <= whole.size() + 1; ++length) {
      Bytes packet = whole;
      packet.resize(length);
      EXPECT_EQ(read_ip(packet).has_value(), length == whole.size()) << length;
    }
}

TEST(ReadIp, RefusesEveryVersionButFourAndSix) {
  Bytes packet = ipv4_packet("10.8.0.2", "192.0.2.1", 40);
  for (int version = 0; version < 16; ++version) {
    packet[0] = static_cast<uint8_t>(version << 4 | 5);
    EXPECT_EQ(read_ip(packet).has_value(), version == 4) << version;
  }
}

TEST(ReadIp, HeaderLengthMustFit) {
  Bytes packet = ipv4_packet("10.8.0.2", "192.0.2.1", 16);  // 36 bytes: up to 9 words
  for (int words = 0; words < 16; ++words) {
    packet[0] = static_cast<uint8_t>(0x40 | words);
    auto ip = read_ip(packet);
    ASSERT_EQ(ip.has_value(), words >= 5 && words <= 9) << words;
    if (ip) {
      EXPECT_EQ(ip->header_length, words * 4);
    }
  }
}

TEST(ReadIp, LengthFieldEdges) {
  for (uint16_t length : {0, 19, 20, 59, 60, 61, 65535}) {
    Bytes packet = ipv4_packet("10.8.0.2", "192.0.2.1", 40);
    packet[2] = static_cast<uint8_t>(length >> 8);
    packet[3] = static_cast<uint8_t>(length);
    EXPECT_EQ(read_ip(packet).has_value(), length == 60) << length;
  }
  for (uint16_t length : {0, 1, 39, 40, 41, 65535}) {
    Bytes packet = ipv6_packet("fd00::2", "fd00::1", 40);
    packet[4] = static_cast<uint8_t>(length >> 8);
    packet[5] = static_cast<uint8_t>(length);
    EXPECT_EQ(read_ip(packet).has_value(), length == 40) << length;
  }
}

TEST(ReadIp, KnowsLaterFragments) {
  Bytes packet = ipv4_packet("10.8.0.2", "192.0.2.1");
  packet[6] = 0x20;  // more fragments, offset 0: the first
  EXPECT_FALSE(read_ip(packet)->later_fragment);
  packet[7] = 1;
  EXPECT_TRUE(read_ip(packet)->later_fragment);
}

TEST(StaysOnLink, TellsMulticastLinkLocalAndBroadcast) {
  struct Case {
    const char* to;
    bool stays;
  };
  for (Case c : {Case{"223.255.255.255", false}, Case{"224.0.0.0", true}, Case{"239.255.255.255", true},
                 Case{"240.0.0.1", false}, Case{"255.255.255.255", true}, Case{"255.255.255.254", false},
                 Case{"169.254.0.1", true}, Case{"169.253.0.1", false}, Case{"10.8.0.255", false}})
    EXPECT_EQ(stays_on_link(*read_ip(ipv4_packet("10.8.0.2", c.to))), c.stays) << c.to;
  for (Case c : {Case{"ff02::2", true}, Case{"ff0e::1", true}, Case{"fe80::1", true}, Case{"febf::1", true},
                 Case{"fec0::1", false}, Case{"fe7f::1", false}, Case{"2001:db8::1", false}, Case{"fd00::1", false}})
    EXPECT_EQ(stays_on_link(*read_ip(ipv6_packet("fd00::2", c.to))), c.stays) << c.to;
}

TEST(ReadUsualIpv4, AgreesWithTheLongWayOnEveryByteOfAHeader) {
  size_t usual = 0;
  for (const char* to :
       {"192.0.2.1", "169.254.0.1", "169.253.255.255", "224.0.0.1", "223.255.255.255", "255.255.255.255"})
    for (size_t at = 0; at < sizeof(Ipv4Header); ++at)
      for (int value = 0; value < 256; ++value) {
        Bytes packet = ipv4_packet("10.8.0.2", to, 24, 17);
        packet[at] = static_cast<uint8_t>(value);
        auto ip = read_ip(packet);
        // Above 239.255.255.255 nothing is in use but broadcast: the long way may have those.
        bool wanted = ip && ip->version == 4 && ip->header_length == sizeof(Ipv4Header) && !stays_on_link(*ip) &&
                      ip->destination[0] < 240;
        const Ipv4Header* short_way = read_usual_ipv4(packet);
        ASSERT_EQ(short_way != nullptr, wanted) << to << ", byte " << at << " is " << value;
        if (!wanted) continue;
        ++usual;
        EXPECT_EQ(short_way->protocol, ip->protocol);
        EXPECT_EQ(short_way->destination.data(), ip->destination);
        EXPECT_EQ((short_way->fragment.get() & kFragmentOffsetMask) != 0, ip->later_fragment);
      }
  EXPECT_GT(usual, 1000u);
}

TEST(ReadUsualIpv4, RefusesEveryLengthButItsOwn) {
  const Bytes whole = ipv4_packet("10.8.0.2", "192.0.2.1", 40);
  for (size_t length = 0; length <= whole.size() + 1; ++length) {
    Bytes packet = whole;
    packet.resize(length);
    EXPECT_EQ(read_usual_ipv4(packet) != nullptr, length == whole.size()) << length;
  }
}

}  // namespace
}  // namespace culvert::wire
