#include "tools/culvert/manual.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "control/config/appliance_keys.h"
#include "tools/culvert/help.h"
#include "tools/culvert/program.h"
#include "tools/culvert/roff.h"

namespace culvert::cli {
namespace {

std::string readme() {
  std::ifstream file(CULVERT_SOURCE_ROOT "/conf/README.md");
  return {std::istreambuf_iterator<char>(file), {}};
}

void expect_commands(const std::string& page, const CLI::App& app, const std::string& name) {
  for (const CLI::App* command : commands_of(app)) expect_commands(page, *command, name + " " + command->get_name());
  if (!commands_of(app).empty()) return;
  size_t at = page.find(".SS \"" + roff(name + arguments_of(app)) + "\"\n");
  ASSERT_NE(at, std::string::npos) << name;
  const std::string part = page.substr(at, page.find("\n.S", at) - at);
  for (const CLI::Option* option : app.get_options())
    if (option != app.get_help_ptr()) {
      EXPECT_NE(part.find("\\fB" + roff(option->get_positional() ? option->get_name(true) : option_name(*option))),
                std::string::npos)
          << name << " " << option->get_name();
    }
}

TEST(Manual, HasEveryCommandWithItsOptions) {
  Context context;
  auto program = make_program(context);
  const std::string page = command_manual(*program);
  expect_commands(page, *program, "culvert");
  EXPECT_NE(page.find("  culvert session limit alice \\-\\-in 20M \\-\\-out 50M\n"), std::string::npos) << "examples";
}

TEST(Manual, ExamplesStandWithTheirCommands) {
  Context context;
  auto program = make_program(context);
  const std::string page = command_manual(*program);
  size_t examples = 0;
  for (size_t at = page.find("culvert help session limit"); at != std::string::npos;
       at = page.find("culvert help session limit", at + 1))
    ++examples;
  EXPECT_EQ(examples, 1u) << "those of the whole program are not handed down";
  const CLI::App* token = program->get_subcommand("genkey")->get_subcommand("auth-token");
  EXPECT_EQ(Help().make_help(token, "culvert genkey auth-token", CLI::AppFormatMode::Normal).find("examples:"),
            std::string::npos);
}

TEST(Manual, HasEveryKeyOfTheFile) {
  auto page = file_manual(readme());
  ASSERT_TRUE(page) << page.error();
  size_t keys = 0;
  for (const config::Key& key : config::appliance_keys()) {
    const bool list = key.section == "port" || key.section == "openvpn";
    std::string name =
        key.section.empty() ? "" : (list ? "[[" : "[") + std::string(key.section) + (list ? "]] " : "] ");
    name += key.name;
    EXPECT_NE((*page).find("\\fB" + roff(name) + "\\fR\n"), std::string::npos) << name;
    ++keys;
  }
  EXPECT_GT(keys, 15u);
  EXPECT_NE((*page).find("default: 4096. most sessions at a time\n"), std::string::npos);
}

TEST(Manual, HoldsNoMarkdown) {
  const std::string page = *file_manual(readme());
  for (const char* sign : {"`", "**", "](", "\n| ", "\n#"}) EXPECT_EQ(page.find(sign), std::string::npos) << sign;
}

TEST(Manual, SaysWhatAReadmeLacks) {
  EXPECT_FALSE(file_manual("# conf\n"));
  EXPECT_FALSE(file_manual("# conf\n\n## culvert.toml\n\ntext\n"));
  EXPECT_FALSE(file_manual("# conf\n\n## culvert.toml\n\n```toml\nx = 1\n"));
}

TEST(Roff, TakesNothingForACommand) {
  EXPECT_EQ(roff(".x -a\n'b\\c"), "\\&.x \\-a\n\\&'b\\ec");
}

}  // namespace
}  // namespace culvert::cli
