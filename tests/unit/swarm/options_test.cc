#include "perf/swarm/options.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>

namespace culvert::swarm {
namespace {

Result<std::vector<PhaseKind>> parsed(std::vector<std::string> words) {
  Options options;
  CLI::App app;
  add_options(app, options);
  words.insert(words.begin(), {"--profile", "client.ovpn"});
  std::reverse(words.begin(), words.end());
  app.parse(words);
  return check(options);
}

TEST(SwarmOptions, PhasesInOrder) {
  auto phases = parsed({"--phase", "in,latency", "--phase", "idle", "--server-netns", "/run/netns/x"});
  ASSERT_TRUE(phases) << phases.error();
  EXPECT_EQ(*phases, (std::vector{PhaseKind::kIn, PhaseKind::kLatency, PhaseKind::kIdle}));
}

TEST(SwarmOptions, WhatCannotBeIsNamed) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {
      {{"--phase", "inward"}, "inward"},
      {{"--phase", "in"}, "--server-netns"},
      {{"--phase", "idle", "--burst", "64", "--size", "1400"}, "--burst"},
      {{"--phase", "idle", "--burst", "16", "--window", "8"}, "--window"},
      {{"--phase", "idle", "--inner", "fd00::1"}, "--inner"},
      {{"--phase", "idle", "--sources", "198.18"}, "--sources"},
  };
  for (const auto& [words, expected] : wrong) {
    auto phases = parsed(words);
    ASSERT_FALSE(phases) << expected;
    EXPECT_NE(phases.error().find(expected), std::string::npos) << phases.error();
  }
}

TEST(SwarmOptions, RangesAreKept) {
  EXPECT_THROW((void)parsed({"--size", "20"}), CLI::ValidationError);
  EXPECT_THROW((void)parsed({"--clients", "0"}), CLI::ValidationError);
  EXPECT_THROW((void)parsed({"--proto", "sctp"}), CLI::ValidationError);
}

}  // namespace
}  // namespace culvert::swarm
