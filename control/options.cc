#include "control/options.h"

#include <CLI/CLI.hpp>
#include <cstdio>

#include "dataplane/abi/layout.h"

namespace culvert {

std::variant<ControlOptions, int> parse_control_options(int argc, char** argv) {
  ControlOptions options;
  CLI::App app{
      "culvert's control process: handshakes, policy, the admin socket. `culvert up` starts it with its dataplane."};
  app.set_version_flag("--version", "culvert-control " CULVERT_VERSION);
  app.add_flag_callback(
      "--link-version",
      [] {
        std::printf("%u\n", abi::kAbiVersion);
        throw CLI::Success();
      },
      "print the version of the link that this program speaks with its dataplane, and end");
  app.add_flag("--check", options.check, "read the configuration as at a start, say what is wrong with it, and end");
  app.add_option("--config", options.config, "culvert.toml")->capture_default_str();
  app.add_option("--run-dir", options.run_dir, "folder of this instance: link.sock of its dataplane, and admin.sock");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    std::fprintf(stderr, "control: %s\n", error.what());
    return 2;
  }
  return options;
}

}  // namespace culvert
