// The generator by itself, on ports that lead back to it; and what is made of its results.
#include "perf/pktgen/generator.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "dataplane/eal.h"
#include "perf/pktgen/report.h"
#include "tests/unit/support/eal.h"

namespace culvert::pktgen {
namespace {

Options loopback_options() {
  Options options;
  options.loopback = true;
  options.clients = 5;
  options.inner_address = {10, 77, 0, 2};
  options.trial_seconds = 0.02;
  options.progress = false;
  return options;
}

/// One for all tests: a port can be opened once.
class GeneratorTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    testing::start_eal(192);
    auto packets = dataplane::make_packet_pool("pktgen_test", 16383);
    ASSERT_TRUE(packets) << packets.error();
    auto made = Generator::make(options_, *packets, [](const std::string&) {});
    ASSERT_TRUE(made) << made.error();
    generator_ = std::move(*made);
  }
  static void TearDownTestSuite() { generator_.reset(); }

  static inline Options options_ = loopback_options();
  static inline std::unique_ptr<Generator> generator_;
};

TEST_F(GeneratorTest, EveryPacketComesBackOnce) {
  ASSERT_TRUE(generator_);
  for (Direction direction : {Direction::kDecrypt, Direction::kEncrypt, Direction::kBoth}) {
    for (uint32_t size : {kSmallestSize, 64u, 512u, kLargestSize, kImix}) {
      auto result = generator_->run({direction, size, 50'000, 0.02});
      ASSERT_TRUE(result) << result.error();
      const Counts& counts = result->counts;
      WayCounts total = counts.total();
      EXPECT_GT(total.sent, 0u);
      EXPECT_EQ(total.received, total.sent) << to_text(direction) << " " << size;
      EXPECT_EQ(total.lost() + total.damaged + total.doubled + total.reordered + total.too_late, 0u);
      EXPECT_EQ(counts.foreign + counts.leftovers, 0u);
      EXPECT_EQ(counts.latency.count(), total.received);
      bool in = direction != Direction::kEncrypt, out = direction != Direction::kDecrypt;
      EXPECT_EQ(counts.ways[0].sent > 0, in);
      EXPECT_EQ(counts.ways[1].sent > 0, out);
      if (size != kImix) {
        EXPECT_EQ(total.bytes, total.received * size);
      }
    }
  }
}

TEST_F(GeneratorTest, ACaseBecomesTableJsonAndPlot) {
  ASSERT_TRUE(generator_);
  options_.max_mpps = 0.05;
  std::vector<std::string> lines;
  auto made = run_case(
      Direction::kBoth, 64, options_, [](const TrialSettings& trial) { return generator_->run(trial); },
      [&](const std::string& line) { lines.push_back(line); });
  ASSERT_TRUE(made) << made.error();
  EXPECT_EQ(lines.size(), made->trials.size());
  ASSERT_EQ(made->latency.size(), 3u);
  EXPECT_TRUE(made->ndr->is_lower_bound);  // the loop passes all that max_mpps allows
  std::vector<Case> cases = {*made};
  EXPECT_EQ(to_complaints(cases), "");
  EXPECT_NE(to_table(cases).find("both         64 >"), std::string::npos) << to_table(cases);

  auto json = nlohmann::json::parse(to_json(cases, {"AES-256-GCM", "x", 0}, options_));
  const auto& row = json["cases"][0];
  EXPECT_EQ(row["direction"], "both");
  EXPECT_EQ(row["ndr"]["loss"], 0);
  EXPECT_EQ(row["latency"].size(), 3u);
  uint64_t sum = 0;
  for (const auto& bucket : row["latency"][0]["latency_ns"]["buckets"]) sum += bucket[2].get<uint64_t>();
  EXPECT_EQ(sum, made->latency[0].trial.counts.latency.count());

  std::string svg = to_svg(cases, {"AES-256-GCM", "x", 0}, options_);
  for (const char* word : {"<svg ", "</svg>", "NDR", "PDR", "million packets/s", "latency (us)", "50 % of PDR"})
    EXPECT_NE(svg.find(word), std::string::npos) << word;
}

TEST(CaseTest, DamageDoublesAndDisorderAreComplaints) {
  Case made;
  TrialResult trial;
  trial.seconds = 1;
  trial.counts.of(Way::kIn).sent = trial.counts.of(Way::kIn).received = 10;
  made.trials.push_back(trial);
  EXPECT_EQ(to_complaints({made}), "");
  for (auto fault : {&WayCounts::damaged, &WayCounts::doubled, &WayCounts::reordered, &WayCounts::too_late}) {
    Case faulty = made;
    faulty.trials[0].counts.of(Way::kOut).*fault = 1;
    EXPECT_NE(to_complaints({faulty}), "");
  }
}

TEST(CaseTest, AGatewayThatIsGoneEndsTheSearch) {
  Options options;
  int trials = 0;
  auto run = [&](const TrialSettings&) -> Result<TrialResult> {
    ++trials;
    return Error{"client 3: gone"};
  };
  auto made = run_case(Direction::kDecrypt, 64, options, run, [](const std::string&) {});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error(), "client 3: gone");
  EXPECT_EQ(trials, 1);
}

}  // namespace
}  // namespace culvert::pktgen
