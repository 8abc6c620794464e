// The commands that ask a running gateway, and those that work on its configuration folder.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace culvert::cli {

/// What all commands share. Filled in by the parser before a command runs.
struct Context {
  std::string run_dir;  ///< empty when not given
  int exit_status = 0;  ///< 0 done, 1 failed, 2 wrong use

  /// RUN_DIR to use: the option, or the default.
  std::string run_dir_or_default() const { return run_dir.empty() ? "/run/culvert" : run_dir; }
  /// Prints "culvert: TEXT" on standard error and makes the exit status 1.
  void fail(const std::string& text);
  /// The same with exit status 2: the command line asks for something that nothing can be made of.
  void wrong_use(const std::string& text);
};

/// status, sessions, session show|limit|kill, drops, counters, workers, ports.
void add_gateway_commands(CLI::App& app, Context& context);
/// metrics.
void add_metrics_command(CLI::App& app, Context& context);
/// trace, capture.
void add_trace_commands(CLI::App& app, Context& context);
/// init, client add|revoke|list, genkey auth-token.
void add_pki_commands(CLI::App& app, Context& context);
/// config check, reload.
void add_config_commands(CLI::App& app, Context& context);
/// up.
void add_up_command(CLI::App& app, Context& context);
/// upgrade.
void add_upgrade_command(CLI::App& app, Context& context);

}  // namespace culvert::cli
