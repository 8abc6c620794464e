// What bash offers behind each beginning of a command line: asked of bash itself.
#include "tools/culvert/completion.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/unit/io/support.h"
#include "tools/culvert/help.h"
#include "tools/culvert/program.h"

namespace culvert::cli {
namespace {

using Words = std::set<std::string>;

class BashCompletion : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(folder_ / "completion") << bash_completion(*program_);
    std::filesystem::create_directory(folder_ / "room");
    std::filesystem::create_directory(folder_ / "room/below");
    std::ofstream(folder_ / "room/a.toml") << "\n";
  }
  /// What is offered for the last of the words of each line.
  std::vector<Words> offered(const std::vector<std::vector<std::string>>& lines) {
    std::ofstream script(folder_ / "script");
    script << "cd '" << folder_ / "room"
           << "' && source ../completion\n";
    for (const auto& words : lines) {
      script << "COMP_WORDS=(culvert";
      for (const std::string& word : words) script << " '" << word << "'";
      script << "); COMP_CWORD=" << words.size() << "\n_culvert\nprintf '%s ' \"${COMPREPLY[@]}\"; echo\n";
    }
    script.close();
    std::unique_ptr<FILE, int (*)(FILE*)> bash(popen(("bash --norc '" + (folder_ / "script") + "' 2>&1").c_str(), "r"),
                                               pclose);
    std::string text;
    std::array<char, 4096> part;
    for (size_t n = 0; (n = fread(part.data(), 1, part.size(), bash.get())) > 0;) text.append(part.data(), n);
    std::vector<Words> all;
    std::istringstream output(text);
    for (std::string line; std::getline(output, line);) {
      std::istringstream words(line);
      all.emplace_back();
      for (std::string word; words >> word;) all.back().insert(word);
    }
    EXPECT_EQ(all.size(), lines.size()) << text;
    all.resize(lines.size());
    return all;
  }
  Words after(const std::vector<std::string>& words) {
    return offered(std::vector<std::vector<std::string>>{words}).front();
  }

  Context context_;
  std::unique_ptr<CLI::App> program_ = make_program(context_);
  io::Folder folder_;
};

void collect(const CLI::App& app, std::vector<std::string> words, std::vector<std::vector<std::string>>& lines,
             std::vector<Words>& wanted) {
  Words here;
  for (const CLI::App* command : commands_of(app)) here.insert(command->get_name());
  if (words.empty()) here.insert("help");
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_snames()) here.insert("-" + name);
    for (const std::string& name : option->get_lnames()) here.insert("--" + name);
  }
  here.insert("--run-dir");
  lines.push_back(words);
  lines.back().emplace_back("");
  wanted.push_back(std::move(here));
  for (const CLI::App* command : commands_of(app)) {
    words.push_back(command->get_name());
    collect(*command, words, lines, wanted);
    words.pop_back();
  }
}

TEST_F(BashCompletion, KnowsEveryCommandAndOption) {
  std::vector<std::vector<std::string>> lines;
  std::vector<Words> wanted;
  collect(*program_, {}, lines, wanted);
  ASSERT_GT(lines.size(), 20u);
  const std::vector<Words> all = offered(lines);
  for (size_t i = 0; i < lines.size(); ++i)
    for (const std::string& word : wanted[i])
      EXPECT_TRUE(all[i].contains(word)) << word << " behind " << ::testing::PrintToString(lines[i]);
}

TEST_F(BashCompletion, OffersNothingElse) {
  EXPECT_EQ(after({"session", ""}), (Words{"show", "limit", "kill", "-h", "--help", "--run-dir"}));
  EXPECT_EQ(after({"session", "li"}), Words{"limit"});
  EXPECT_EQ(after({"session", "limit", "alice", "--i"}), Words{"--in"});
  EXPECT_EQ(after({"session", "limit", "alice", "--in", ""}), Words{}) << "a rate is nobody's to guess";
  EXPECT_EQ(after({"sessions", "--watch", "--j"}), Words{"--json"}) << "its value may be left out";
  EXPECT_EQ(after({"nothing", "li"}), Words{});
}

TEST_F(BashCompletion, TakesValuesForNoCommands) {
  EXPECT_EQ(after({"--run-dir", "status", "session", "k"}), Words{"kill"});
  EXPECT_EQ(after({"session", "--run-dir", "show", "k"}), Words{"kill"});
}

TEST_F(BashCompletion, HelpIsOfCommands) {
  EXPECT_EQ(after({"help", "session", ""}), (Words{"show", "limit", "kill"}));
  EXPECT_EQ(after({"help", "session", "limit", ""}), Words{});
}

TEST_F(BashCompletion, FilesAndFoldersWhereTheyBelong) {
  EXPECT_EQ(after({"up", "--config", ""}), (Words{"a.toml", "below"}));
  EXPECT_EQ(after({"config", "check", "a"}), Words{"a.toml"});
  EXPECT_EQ(after({"status", "--run-dir", ""}), Words{"below"});
  EXPECT_EQ(after({"status", "a"}), Words{});
}

}  // namespace
}  // namespace culvert::cli
