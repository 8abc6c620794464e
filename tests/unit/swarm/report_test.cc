#include "perf/swarm/report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace culvert::swarm {
namespace {

class ReportTest : public ::testing::Test {
 protected:
  ReportTest() {
    options_.clients = 10;
    options_.pids = {41, 42};
    run_.connect.clients = 10;
    run_.connect.seconds = 2;
    PhaseResult data;
    data.kind = PhaseKind::kBoth;
    data.seconds = 2;
    data.in_gbps = 3;
    data.out_gbps = 1;
    data.in.sent = 100;
    data.in.received = 98;
    data.cpu_seconds = {0.5, 0.3};
    PhaseResult storm;
    storm.kind = PhaseKind::kStorm;
    storm.seconds = 2;
    for (uint64_t us = 1; us <= 1000; ++us) storm.rtt_ns.record(us * 1000);
    storm.server_ns.record(70'000);
    storm.storm.emplace();
    storm.storm->connected = 500;
    run_.phases = {data, storm};
  }

  Options options_;
  swarm::Run run_{options_, {}, {}};
};

TEST_F(ReportTest, GoodputPerCpuSecond) {
  EXPECT_DOUBLE_EQ(run_.phases[0].cpu(), 0.8);
  EXPECT_DOUBLE_EQ(run_.phases[0].gbit_per_cpu_second(), (3 + 1) * 2 / 0.8);
  EXPECT_EQ(PhaseResult{}.gbit_per_cpu_second(), 0);
}

TEST_F(ReportTest, JsonHoldsTheFigures) {
  auto json = nlohmann::json::parse(to_json(run_));
  EXPECT_EQ(json["connect"]["per_second"], 5.0);
  EXPECT_EQ(json["phases"][0]["in"]["lost"], 2);
  EXPECT_EQ(json["phases"][0]["cpu_cores"], 0.4);
  EXPECT_EQ(json["phases"][1]["storm"]["per_second"], 250.0);
  EXPECT_NEAR(json["phases"][1]["rtt_us"]["p99"].get<double>(), 990, 35);
  EXPECT_EQ(json["phases"][1]["rtt_us"]["max"], 1000.0);
  EXPECT_EQ(json["phases"][1]["server_us"]["count"], 1);
  EXPECT_EQ(json["phases"][1]["server_us"]["max"], 70.0);
}

TEST_F(ReportTest, TextSaysLossAndCores) {
  std::string text = to_text(run_);
  EXPECT_NE(text.find("98 of 100 packets, 2 lost"), std::string::npos) << text;
  EXPECT_NE(text.find("0.400 cores"), std::string::npos) << text;
  EXPECT_NE(text.find("250.000 per second"), std::string::npos) << text;
}

TEST_F(ReportTest, PlotNamesItsPhases) {
  std::string svg = to_svg(run_);
  EXPECT_EQ(svg.rfind("<svg", 0), 0u);
  EXPECT_NE(svg.find(">both<"), std::string::npos);
  EXPECT_NE(svg.find("<polyline"), std::string::npos);
}

}  // namespace
}  // namespace culvert::swarm
