// culvert: the operator's command.

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tools/culvert/program.h"

namespace culvert::cli {
namespace {

constexpr int kWrongUse = 2;

/// Why the words name no command: one of them is none. Empty when there are too few of them at most.
std::string unknown_command(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* level = &app;
  std::string above;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--run-dir") ++i;
    if (word.starts_with('-')) continue;
    auto commands = level->get_subcommands([](const CLI::App*) { return true; });
    if (commands.empty()) break;  // its arguments
    auto found = std::ranges::find(commands, word, &CLI::App::get_name);
    if (found == commands.end()) {
      std::string names;
      for (const CLI::App* command : commands) names += (names.empty() ? "" : ", ") + command->get_name();
      return "no command '" + above + word + "': there are " + names;
    }
    level = *found;
    above += word + " ";
  }
  return "";
}

/// The words behind the program's name. `culvert help COMMAND` is another way to say `culvert COMMAND --help`.
std::vector<std::string> words_of(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + std::max(argc, 1));
  if (!words.empty() && words[0] == "help") {
    words.erase(words.begin());
    words.push_back("--help");
  }
  return words;
}

int run(const std::vector<std::string>& words) {
  Context context;
  const std::unique_ptr<CLI::App> program = make_program(context);
  CLI::App& app = *program;
  // What is wrong must be said first: CLI11 prints help also behind words that it doesn't know, and calls them missing.
  std::string why = unknown_command(app, words);
  try {
    if (why.empty()) app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    why = std::string_view(error.what()).starts_with("A subcommand") ? "a command is missing" : error.what();
  }
  if (!why.empty()) {
    std::fprintf(stderr, "culvert: %s\nculvert --help, or culvert COMMAND --help, says what is possible\n",
                 why.c_str());
    return kWrongUse;
  }
  return context.exit_status;
}

/// What did not arrive is no success: who writes a list to a file must hear that the disk is full.
int with_output(int exit_status) {
  bool whole = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  if (whole || exit_status != 0) return exit_status;
  std::fprintf(stderr, "culvert: cannot write to standard output: is the disk full, or its reader gone?\n");
  return 1;
}

}  // namespace
}  // namespace culvert::cli

int main(int argc, char** argv) {
  return culvert::cli::with_output(culvert::cli::run(culvert::cli::words_of(argc, argv)));
}
