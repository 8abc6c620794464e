// What --help prints of each command, and what is said of numbers out of range.
#include "tools/culvert/help.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <sstream>
#include <string>

#include "tools/culvert/commands.h"

namespace culvert::cli {
namespace {

class HelpPages : public ::testing::Test {
 protected:
  void SetUp() override {
    app_.formatter(std::make_shared<Help>());
    app_.add_option("--run-dir", context_.run_dir, "folder of the running gateway")->type_name("DIR");
    add_pki_commands(app_, context_);
    add_up_command(app_, context_);
    add_upgrade_command(app_, context_);
    add_gateway_commands(app_, context_);
    add_trace_commands(app_, context_);
    add_metrics_command(app_, context_);
    add_config_commands(app_, context_);
    collect(app_, "culvert");
  }
  void collect(const CLI::App& app, const std::string& name) {
    pages_[name] = Help().make_help(&app, name, CLI::AppFormatMode::Normal);
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
      collect(*command, name + " " + command->get_name());
  }

  Context context_;
  CLI::App app_{"a VPN gateway", "culvert"};
  std::map<std::string, std::string> pages_;
};

TEST_F(HelpPages, SayWhatAnOperatorWritesNotWhatTheParserKnows) {
  ASSERT_GT(pages_.size(), 20U);
  for (const auto& [name, page] : pages_) {
    SCOPED_TRACE(page);
    for (const char* word : {"TEXT", "UINT", "INT", "FLOAT", "REQUIRED", "Excludes", "SIZE [", ":{"})
      EXPECT_EQ(page.find(word), std::string::npos) << word;
    EXPECT_NE(page.find("\nusage: " + name), std::string::npos);
    EXPECT_NE(page.find("--run-dir DIR"), std::string::npos);
    std::istringstream lines(page);
    for (std::string line; std::getline(lines, line);) {
      EXPECT_LE(line.size(), 120U) << line;
      EXPECT_FALSE(line.ends_with(' ')) << line;
    }
  }
}

TEST_F(HelpPages, NameWholeValues) {
  const std::string& metrics = pages_["culvert metrics"];
  EXPECT_NE(metrics.find("--listen ADDRESS:PORT\n"), std::string::npos) << metrics;
}

TEST_F(HelpPages, HaveArgumentsDefaultsAndExamples) {
  const std::string& limit = pages_["culvert session limit"];
  EXPECT_NE(limit.find("usage: culvert session limit [OPTION]... SESSION\n"), std::string::npos) << limit;
  EXPECT_NE(limit.find("examples:\n  culvert session limit alice --in 20M --out 50M\n"), std::string::npos) << limit;
  const std::string& init = pages_["culvert init"];
  EXPECT_NE(init.find("usage: culvert init [OPTION]... [DIR] --host HOST\n"), std::string::npos) << init;
  EXPECT_NE(init.find("  --port PORT           UDP port (default 1194)\n"), std::string::npos) << init;
  EXPECT_NE(pages_["culvert sessions"].find("--watch [SECONDS]     look again every SECONDS"), std::string::npos);
}

TEST(Numbers, OutOfRangeAreToldTheRange) {
  CLI::Validator number = whole_number(1, 65535);
  for (const char* good : {"1", "65535"}) EXPECT_EQ(number(good), "") << good;
  for (const char* bad : {"", "0", "65536", "-1", "x", "1x", "1.5", " 1", "99999999999999999999"})
    EXPECT_EQ(number(bad), "'" + std::string(bad) + "' is not a number from 1 to 65535");
  CLI::Validator seconds = seconds_up_to(86400);
  for (const char* good : {"0.1", "2", "86400"}) EXPECT_EQ(seconds(good), "") << good;
  for (const char* bad : {"", "0", "0.05", "86401", "x", "2x", "nan", "-1"})
    EXPECT_EQ(seconds(bad), "'" + std::string(bad) + "' is not a number of seconds from 0.1 to 86400");
}

}  // namespace
}  // namespace culvert::cli
