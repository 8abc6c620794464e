// culvert: the operator's command.

#include <cstdio>

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
    std::fprintf(stderr, "culvert: %s\nculvert --help, or culvert COMMAND --help, says what is possible\n",
                 error.what());
    return kWrongUse;
  }
  return context.exit_status;
}

}  // namespace
}  // namespace culvert::cli

int main(int argc, char** argv) {
  return culvert::cli::run(argc, argv);
}
