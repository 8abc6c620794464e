// culvert: the operator's command.

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>

#include "tools/culvert/commands.h"

namespace culvert::cli {
namespace {

constexpr int kWrongUse = 2;

/// --run-dir may stand before or after the command.
void let_options_through(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands(nullptr)) {
    command->fallthrough();
    let_options_through(*command);
  }
}

/// What was wrong with a command line that lacks a command: a word that is none, or nothing at all.
std::string why_no_command(const CLI::App& app, int argc, char** argv) {
  const CLI::App* level = &app;
  std::string above;
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    if (word == "--run-dir") ++i;
    if (word.starts_with('-')) continue;
    auto commands = level->get_subcommands([](const CLI::App*) { return true; });
    auto found = std::ranges::find(commands, word, &CLI::App::get_name);
    if (found == commands.end()) {
      std::string names;
      for (const CLI::App* command : commands) names += (names.empty() ? "" : ", ") + command->get_name();
      return "no command '" + above + word + "': there are " + names;
    }
    level = *found;
    above += word + " ";
  }
  return "a command is missing";
}

int run(int argc, char** argv) {
  Context context;
  CLI::App app{"culvert: a VPN gateway for OpenVPN clients."};
  app.set_version_flag("--version", "culvert " CULVERT_VERSION);
  app.add_option("--run-dir", context.run_dir, "folder of the running gateway (default /run/culvert)");
  app.require_subcommand(1);
  add_pki_commands(app, context);
  add_up_command(app, context);
  add_gateway_commands(app, context);
  add_trace_commands(app, context);
  add_config_commands(app, context);
  let_options_through(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    // CLI11 says so of every word that it doesn't know, too.
    bool no_command = std::string_view(error.what()).starts_with("A subcommand");
    std::string why = no_command ? why_no_command(app, argc, argv) : error.what();
    std::fprintf(stderr, "culvert: %s\nculvert --help, or culvert COMMAND --help, says what is possible\n",
                 why.c_str());
    return kWrongUse;
  }
  return context.exit_status;
}

}  // namespace
}  // namespace culvert::cli

int main(int argc, char** argv) {
  return culvert::cli::run(argc, argv);
}
