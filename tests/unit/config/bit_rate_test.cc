// Rates as an operator writes and reads them.
#include "control/config/bit_rate.h"

#include <gtest/gtest.h>

#include "dataplane/abi/command.h"

namespace culvert::config {
namespace {

TEST(BitRate, ReadsNumberAndUnit) {
  struct Case {
    const char* text;
    uint64_t bits;
  };
  for (Case c : {Case{"1", 1}, Case{"800", 800}, Case{"64k", 64'000}, Case{"800K", 800'000}, Case{"20M", 20'000'000},
                 Case{"20m", 20'000'000}, Case{"1.5G", 1'500'000'000}, Case{"0.5K", 500}, Case{".5M", 500'000},
                 Case{"2.M", 2'000'000}, Case{"1.0009K", 1'000}, Case{"400G", abi::kMaxLimit},
                 Case{"400000000000", abi::kMaxLimit}, Case{"none", 0}}) {
    Result<uint64_t> bits = parse_bit_rate(c.text);
    ASSERT_TRUE(bits) << c.text << ": " << bits.error();
    EXPECT_EQ(*bits, c.bits) << c.text;
  }
}

TEST(BitRate, RefusesTheRestAndSaysWhatMayStandThere) {
  for (const char* text : {"",     "M",      ".",    ".M",     "-1",   "+1",           "1e6",
                           "20 M", " 20M",   "20MB", "20Mbit", "20T",  "1.5.2",        "0x10",
                           "0",    "0.0001", "0K",   "400.1G", "401G", "400000000001", "99999999999999999999999G",
                           "None", "nan",    "inf"}) {
    Result<uint64_t> bits = parse_bit_rate(text);
    ASSERT_FALSE(bits) << text;
    EXPECT_NE(bits.error().find("\"" + std::string(text) + "\" is no limit: give bits per second, such as 800K"),
              std::string::npos)
        << bits.error();
  }
}

TEST(BitRate, IsShownWithItsUnit) {
  EXPECT_EQ(bit_rate_text(1), "1 bit/s");
  EXPECT_EQ(bit_rate_text(999), "999 bit/s");
  EXPECT_EQ(bit_rate_text(64'000), "64 kbit/s");
  EXPECT_EQ(bit_rate_text(20'000'000), "20 Mbit/s");
  EXPECT_EQ(bit_rate_text(1'500'000'000), "1.5 Gbit/s");
  EXPECT_EQ(bit_rate_text(1'050'000), "1.05 Mbit/s");
  EXPECT_EQ(bit_rate_text(abi::kMaxLimit), "400 Gbit/s");
}

}  // namespace
}  // namespace culvert::config
