// The command line of culvert-dataplane.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "dataplane/eal.h"
#include "dataplane/nic_options.h"

namespace culvert::dataplane {

inline constexpr uint32_t kDefaultSessions = 4096;

struct Options {
  std::string run_dir;
  std::vector<uint32_t> cores = {kAnyCore};  ///< one worker each
  uint32_t sessions = kDefaultSessions;
  Huge huge = Huge::kAuto;
  uint32_t tun_mtu = 1500;        ///< largest that control may ask for: packet buffers are made for it
  std::vector<NicOptions> ports;  ///< empty: kernel mode
  std::optional<uid_t> control_uid;
  std::optional<gid_t> control_gid;
};

/// The options; or the exit status when the process is to end now, its text (help, version, what is wrong) printed.
std::variant<Options, int> parse_options(int argc, char** argv);

}  // namespace culvert::dataplane
