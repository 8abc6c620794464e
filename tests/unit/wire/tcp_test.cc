#include "dataplane/wire/tcp.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/unit/support/inner_packets.h"

namespace culvert::wire {
namespace {

using testing::Bytes;
using testing::tcp_checksum;
using testing::tcp_syn;

struct MssCase {
  const char* name;
  Bytes options;
  uint16_t limit;
  bool changed;
  Bytes expected;  ///< options afterwards
};

class ClampMss : public ::testing::TestWithParam<MssCase> {};

TEST_P(ClampMss, ChangesTheOptionAndTheChecksum) {
  const MssCase& test = GetParam();
  for (uint8_t version : {4, 6}) {
    Bytes packet = tcp_syn(version, test.options);
    ASSERT_EQ(tcp_checksum(packet), 0);
    Bytes expected = test.expected;
    while (expected.size() % 4 != 0) expected.push_back(0);
    size_t segment = version == 4 ? 20 : 40;
    EXPECT_EQ(clamp_mss(std::span(packet).subspan(segment), test.limit), test.changed);
    EXPECT_EQ(Bytes(packet.begin() + static_cast<std::ptrdiff_t>(segment + 20), packet.end()), expected);
    EXPECT_EQ(tcp_checksum(packet), 0) << "checksum no longer fits";
  }
}

INSTANTIATE_TEST_SUITE_P(
    Options, ClampMss,
    ::testing::Values(
        MssCase{"larger", {2, 4, 0x05, 0xB4}, 1400, true, {2, 4, 0x05, 0x78}},
        MssCase{"equal", {2, 4, 0x05, 0x78}, 1400, false, {2, 4, 0x05, 0x78}},
        MssCase{"one_more", {2, 4, 0x05, 0x79}, 1400, true, {2, 4, 0x05, 0x78}},
        MssCase{"smaller", {2, 4, 0x02, 0x18}, 1400, false, {2, 4, 0x02, 0x18}},
        MssCase{"largest", {2, 4, 0xFF, 0xFF}, 1, true, {2, 4, 0, 1}},
        MssCase{"odd_place", {1, 2, 4, 0xFF, 0xF0}, 1400, true, {1, 2, 4, 0x05, 0x78}},
        MssCase{"after_others", {3, 3, 7, 4, 2, 2, 4, 0x23, 0x28}, 1400, true, {3, 3, 7, 4, 2, 2, 4, 0x05, 0x78}},
        MssCase{"none", {}, 1400, false, {}},
        MssCase{"behind_end", {0, 2, 4, 0x23, 0x28}, 1400, false, {0, 2, 4, 0x23, 0x28}},
        MssCase{"length_zero", {3, 0, 2, 4, 0x23, 0x28}, 1400, false, {3, 0, 2, 4, 0x23, 0x28}},
        MssCase{"length_one", {3, 1, 2, 4, 0x23, 0x28}, 1400, false, {3, 1, 2, 4, 0x23, 0x28}},
        MssCase{"length_too_long", {2, 5, 0x23, 0x28}, 1400, false, {2, 5, 0x23, 0x28}},
        MssCase{"cut_off", {1, 1, 1, 2}, 1400, false, {1, 1, 1, 2}}),
    [](const auto& test) { return test.param.name; });

TEST(ClampMssHeader, OnlyWholeHeadersOfSyns) {
  Bytes options = {2, 4, 0x05, 0xB4};
  Bytes ack = tcp_syn(4, options, 0x10);
  EXPECT_FALSE(clamp_mss(std::span(ack).subspan(20), 1000));
  Bytes syn_ack = tcp_syn(4, options, 0x12);
  EXPECT_TRUE(clamp_mss(std::span(syn_ack).subspan(20), 1000));

  Bytes syn = tcp_syn(4, options);
  for (size_t size = 0; size < 24; ++size) {
    Bytes part(syn.begin() + 20, syn.begin() + 20 + static_cast<std::ptrdiff_t>(size));
    Bytes before = part;
    EXPECT_FALSE(clamp_mss(part, 1000)) << size;
    EXPECT_EQ(part, before);
  }
  for (int words = 0; words < 16; ++words) {
    Bytes part(syn.begin() + 20, syn.end());
    part[12] = static_cast<uint8_t>(words << 4);
    EXPECT_EQ(clamp_mss(part, 1000), words == 6) << words;
  }
}

TEST(AdjustChecksum, AgreesWithAWholeSum) {
  std::mt19937 random(7);
  for (int round = 0; round < 10000; ++round) {
    Bytes bytes(32);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    uint16_t checksum = finish_checksum(add_to_checksum(bytes));
    size_t at = random() % 16 * 2;
    auto& word = *reinterpret_cast<be16*>(&bytes[at]);
    uint16_t before = word.get(), after = static_cast<uint16_t>(random());
    word.set(after);
    uint16_t adjusted = adjust_checksum(checksum, before, after);
    // 0 and 0xFFFF are the same sum.
    EXPECT_EQ(adjusted % 0xFFFF, finish_checksum(add_to_checksum(bytes)) % 0xFFFF);
  }
}

}  // namespace
}  // namespace culvert::wire
