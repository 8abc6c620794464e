// pcapng blocks, made-up outer headers, and the file. That other programs read them: tests/e2e/test_trace.py.
#include "tools/culvert/capture_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>
#include <fstream>

#include "dataplane/abi/endpoint_text.h"
#include "dataplane/wire/udp.h"
#include "tests/unit/support/temporary_folder.h"

namespace culvert::cli {
namespace {

using Bytes = std::vector<uint8_t>;

uint32_t word(const Bytes& bytes, size_t at) {
  uint32_t value = 0;
  std::memcpy(&value, &bytes.at(at + 3) - 3, sizeof value);
  return value;
}

abi::Endpoint endpoint(const char* address, uint16_t port) {
  abi::Endpoint made;
  made.address = *abi::parse_ip(address);
  made.port = port;
  return made;
}

TEST(Pcapng, BlocksSayTheirLengthTwiceAndArePadded) {
  Bytes packet(5, 7);
  for (const Bytes& block : {pcapng::packet(1, packet, 9, pcapng::Flow::kInbound, ""), pcapng::tail(1, 2, 3),
                             pcapng::packet(1, packet, 9, pcapng::Flow::kOutbound, "why")}) {
    EXPECT_EQ(block.size() % 4, 0u);
    EXPECT_EQ(word(block, 4), block.size());
    EXPECT_EQ(word(block, block.size() - 4), block.size());
  }
  Bytes head = pcapng::head("name", "text", 64);
  uint32_t section = word(head, 4);
  EXPECT_EQ(word(head, 0), 0x0A0D0D0Au);
  EXPECT_EQ(word(head, 8), 0x1A2B3C4Du);
  EXPECT_EQ(word(head, section), 1u);        // interface description
  EXPECT_EQ(word(head, section + 8), 101u);  // LINKTYPE_RAW
  EXPECT_EQ(word(head, section + 12), 64u);  // snap length
  EXPECT_EQ(section + word(head, section + 4), head.size());
}

TEST(Pcapng, APacketHasItsTimeLengthsAndBytes) {
  uint64_t time = 0x0123'4567'89AB'CDEF;
  Bytes bytes = {1, 2, 3, 4, 5, 6};
  Bytes block = pcapng::packet(time, bytes, 1500, pcapng::Flow::kOutbound, "");
  EXPECT_EQ(word(block, 0), 6u);
  EXPECT_EQ(word(block, 8), 0u);
  EXPECT_EQ(word(block, 12), 0x0123'4567u);
  EXPECT_EQ(word(block, 16), 0x89AB'CDEFu);
  EXPECT_EQ(word(block, 20), 6u);
  EXPECT_EQ(word(block, 24), 1500u);
  EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), block.begin() + 28));
  EXPECT_EQ(word(block, 36), 2u | 4u << 16);  // epb_flags, 4 bytes
  EXPECT_EQ(word(block, 40), 2u);             // outbound
}

TEST(OuterHeaders, AreWhatTheNetworkWouldHaveCarried) {
  Bytes payload(101);
  for (size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<uint8_t>(i * 7);
  struct Case {
    abi::Endpoint from, to;
    uint8_t version;
  };
  for (const Case& c : {Case{endpoint("192.0.2.1", 1194), endpoint("198.51.100.7", 40000), 4},
                        Case{endpoint("2001:db8::1", 1194), endpoint("2001:db8::9", 40000), 6}}) {
    Bytes packet = outer_headers(c.from, c.to, 101, payload);
    packet.insert(packet.end(), payload.begin(), payload.end());
    auto ip = wire::read_ip(packet);
    ASSERT_TRUE(ip);
    EXPECT_EQ(ip->version, c.version);
    EXPECT_EQ(ip->protocol, wire::kProtocolUdp);
    size_t size = c.version == 4 ? 4 : 16;
    EXPECT_EQ(std::memcmp(ip->source, c.from.address.bytes.data(), size), 0);
    EXPECT_EQ(std::memcmp(ip->destination, c.to.address.bytes.data(), size), 0);
    std::span<const uint8_t> udp = std::span<const uint8_t>(packet).subspan(ip->header_length);
    const auto& header = *reinterpret_cast<const wire::UdpHeader*>(udp.data());
    EXPECT_EQ(header.source.get(), 1194);
    EXPECT_EQ(header.destination.get(), 40000);
    EXPECT_EQ(header.length.get(), 109);
    uint32_t sum = wire::pseudo_header_sum(c.version, ip->source, ip->destination, wire::kProtocolUdp, 109);
    EXPECT_EQ(wire::finish_checksum(wire::add_to_checksum(udp, wire::fold_checksum(sum))), 0);
    if (c.version == 6) continue;
    EXPECT_EQ(wire::finish_checksum(wire::add_to_checksum(std::span<const uint8_t>(packet).first(20))), 0);
  }
}

TEST(OuterHeaders, OfAPacketThatWasCutAndOfUnknownEnds) {
  abi::Endpoint nobody;
  Bytes payload(10);
  Bytes cut = outer_headers(endpoint("192.0.2.1", 1), endpoint("192.0.2.2", 2), 1000, payload);
  ASSERT_EQ(cut.size(), 28u);
  EXPECT_EQ(cut[26], 0);  // no checksum
  EXPECT_EQ(cut[27], 0);
  EXPECT_EQ(cut[2] << 8 | cut[3], 1028);
  EXPECT_EQ(outer_headers(nobody, endpoint("192.0.2.2", 2), 10, payload).size(), 28u);
  EXPECT_TRUE(outer_headers(nobody, nobody, 10, payload).empty());
}

TEST(CaptureFile, IsTheOwnersAloneAndNeverOverwrites) {
  testing::TemporaryFolder folder;
  std::string path = folder.path() + "/a.pcapng";
  {
    auto file = CaptureFile::create(path);
    ASSERT_TRUE(file) << file.error();
    EXPECT_TRUE((*file)->write(Bytes(100, 1)));
    EXPECT_EQ((*file)->size(), 100u);
  }
  struct stat about {};
  ASSERT_EQ(stat(path.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
  EXPECT_EQ(about.st_size, 100);
  auto again = CaptureFile::create(path);
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().find("exists"), std::string::npos);
  ASSERT_EQ(symlink("/dev/null", (folder.path() + "/link").c_str()), 0);
  EXPECT_FALSE(CaptureFile::create(folder.path() + "/link"));
  EXPECT_FALSE(CaptureFile::create(folder.path() + "/no/such/folder"));
}

}  // namespace
}  // namespace culvert::cli
