// The command line of culvert-control.
#pragma once

#include <string>
#include <variant>

namespace culvert {

/// Exit status after `signal SIGTERM` on the management interface: `culvert up` then ends the dataplane as well instead
/// of starting control again.
inline constexpr int kStoppedForGood = 3;

/// Exit status of a control that has left its sessions to the next one, which `culvert up` and systemd start at once.
inline constexpr int kLeft = 4;

struct ControlOptions {
  std::string config = "/etc/culvert/culvert.toml";
  std::string run_dir;  ///< empty: what culvert.toml says
  bool check = false;   ///< only read the configuration, as at a start
};

/// The options; or the exit status when the process is to end now, its text (help, version, what is wrong) printed.
std::variant<ControlOptions, int> parse_control_options(int argc, char** argv);

}  // namespace culvert
