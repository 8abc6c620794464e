#include "tools/culvert/program.h"

#include "tools/culvert/help.h"

namespace culvert::cli {
namespace {

/// --run-dir may stand before or after the command.
void let_options_through(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands(nullptr)) {
    command->fallthrough();
    let_options_through(*command);
  }
}

}  // namespace

std::unique_ptr<CLI::App> make_program(Context& context) {
  auto app = std::make_unique<CLI::App>("a VPN gateway for OpenVPN clients", "culvert");
  app->formatter(std::make_shared<Help>());
  app->set_help_flag("-h,--help", "print this help and end");
  app->footer(
      "  culvert init /etc/culvert --host vpn.example.org\n"
      "  culvert client add alice\n"
      "  culvert up\n"
      "  culvert help session limit\n");
  app->set_version_flag("--version", "culvert " CULVERT_VERSION, "print the version and end");
  app->add_option("--run-dir", context.run_dir, "folder of the running gateway (default /run/culvert)")
      ->type_name("DIR");
  app->require_subcommand(1);
  add_pki_commands(*app, context);
  add_up_command(*app, context);
  add_upgrade_command(*app, context);
  add_gateway_commands(*app, context);
  add_metrics_command(*app, context);
  add_trace_commands(*app, context);
  add_config_commands(*app, context);
  let_options_through(*app);
  return app;
}

}  // namespace culvert::cli
