#include "perf/pktgen/options.h"

#include <gtest/gtest.h>

namespace culvert::pktgen {
namespace {

const std::vector<const char*> kWires = {"--outer",         "net_a",     "--inner",         "net_b",
                                         "--profile",       "x.ovpn",    "--outer-address", "192.0.2.2",
                                         "--inner-address", "10.77.0.2", "--inner-gateway", "10.77.0.1"};

Parsed parse(std::vector<const char*> words, bool wires = true) {
  std::vector<const char*> all = {"pktgen"};
  if (wires) all.insert(all.end(), kWires.begin(), kWires.end());
  all.insert(all.end(), words.begin(), words.end());
  ::testing::internal::CaptureStderr();
  ::testing::internal::CaptureStdout();
  Parsed parsed = parse_options(static_cast<int>(all.size()), all.data());
  ::testing::internal::GetCapturedStdout();
  ::testing::internal::GetCapturedStderr();
  return parsed;
}

TEST(OptionsTest, ReadsEverything) {
  Parsed parsed =
      parse({"--size", "64,imix", "--direction", "both", "--clients", "1000", "--trial", "2.5", "--patience", "1.5",
             "--load", "25,75", "--no-udp-checksum", "--cipher", "AES-128-GCM", "--core", "3", "--tries", "2"});
  ASSERT_FALSE(parsed.exit_status);
  const Options& options = parsed.options;
  EXPECT_EQ(options.sizes, (std::vector<uint32_t>{64, kImix}));
  EXPECT_EQ(options.directions, std::vector{Direction::kBoth});
  EXPECT_EQ(options.clients, 1000u);
  EXPECT_EQ(options.trial_seconds, 2.5);
  EXPECT_EQ(options.patience_seconds, 1.5);
  EXPECT_EQ(options.loads, (std::vector<double>{25, 75}));
  EXPECT_FALSE(options.udp_checksum);
  EXPECT_EQ(options.cipher, "AES-128-GCM");
  EXPECT_EQ(options.core, 3u);
  EXPECT_EQ(options.tries, 2u);
  EXPECT_EQ(options.outer_address, (Ip4{192, 0, 2, 2}));
  EXPECT_EQ(options.inner_gateway, (Ip4{10, 77, 0, 1}));
  EXPECT_TRUE(options.searches());
}

TEST(OptionsTest, KnowsTheSizesOfRfc2544) {
  auto sizes = parse({"--size", "rfc2544"}).options.sizes;
  EXPECT_EQ(sizes, (std::vector<uint32_t>{64, 128, 256, 512, 1024, 1280, kLargestSize}));
}

TEST(OptionsTest, ARateMeansNoSearch) {
  EXPECT_FALSE(parse({"--rate", "1.5"}).options.searches());
  EXPECT_FALSE(parse({"--rate-gbps", "10"}).options.searches());
}

TEST(OptionsTest, RefusesWhatItCannotDo) {
  for (std::vector<const char*> words : {std::vector{"--size", "59"},
                                         {"--size", "1449"},
                                         {"--size", "64x"},
                                         {"--size", "big"},
                                         {"--direction", "up"},
                                         {"--clients", "0"},
                                         {"--rate", "1", "--rate-gbps", "1"},
                                         {"--cipher", "AES-256-CBC"},
                                         {"--trial", "0"},
                                         {"--patience", "2.5"},
                                         {"--outer-address", "2001:db8::1"},
                                         {"--outer-gateway", "gateway"},
                                         {"--load", "101"},
                                         {"--unknown"},
                                         {"--clients", "60000", "--client-addresses", "1"}})
    EXPECT_EQ(parse(words).exit_status, 2) << words[0] << " " << words.back();
}

TEST(OptionsTest, TheLastOneCounts) {
  Parsed parsed = parse({"--trial", "1", "--trial", "3", "--profile", "y.ovpn", "--inner-gateway", "10.77.0.9"});
  ASSERT_FALSE(parsed.exit_status);
  EXPECT_EQ(parsed.options.trial_seconds, 3);
  EXPECT_EQ(parsed.options.profile, "y.ovpn");
  EXPECT_EQ(parsed.options.inner_gateway, (Ip4{10, 77, 0, 9}));
}

TEST(OptionsTest, AsksForWhatIsMissing) {
  EXPECT_EQ(parse({}, false).exit_status, 2);
  EXPECT_FALSE(parse({"--loopback"}, false).exit_status);
  EXPECT_EQ(parse({"--reflect"}, false).exit_status, 2);
  EXPECT_FALSE(parse({"--reflect", "--inner", "net_a"}, false).exit_status);
  EXPECT_EQ(parse({"--loopback", "--inner", "net_a"}, false).exit_status, 2);
  EXPECT_EQ(parse({"--loopback", "--reflect"}).exit_status, 2);
  EXPECT_EQ(parse({"--help"}, false).exit_status, 0);
}

TEST(OptionsTest, MeansAreThoseOfTheMix) {
  EXPECT_NEAR(mean_size(kImix), 346, 0.01);
  EXPECT_EQ(mean_size(512), 512);
}

}  // namespace
}  // namespace culvert::pktgen
