#include "dataplane/wire/openvpn.h"

#include <gtest/gtest.h>

namespace culvert::wire {
namespace {

TEST(ReadOpcode, KnowsThreeToEleven) {
  for (unsigned byte = 0; byte < 256; ++byte) {
    std::array<uint8_t, 1> packet = {static_cast<uint8_t>(byte)};
    auto read = read_opcode(packet);
    unsigned code = byte >> 3;
    ASSERT_EQ(read.has_value(), code >= 3 && code <= 11) << byte;
    if (!read) continue;
    EXPECT_EQ(static_cast<unsigned>(read->opcode), code);
    EXPECT_EQ(read->key_id, byte & 7);
    EXPECT_EQ(opcode_byte(read->opcode, read->key_id), byte);
  }
  EXPECT_FALSE(read_opcode({}));
}

TEST(DataV2Header, StandsInThePacketAsTheDraftSays) {
  std::array<uint8_t, 24> bytes = {0x48, 0x01, 0x02, 0x03, 0xA0, 0xB0, 0xC0, 0xD0, 0x55};
  const auto& header = *reinterpret_cast<const DataV2Header*>(bytes.data());
  EXPECT_EQ(header.peer(), 0x010203u);
  EXPECT_EQ(header.packet_id.get(), 0xA0B0C0D0u);
  EXPECT_EQ(header.tag[0], 0x55);
}

}  // namespace
}  // namespace culvert::wire
