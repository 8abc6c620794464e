#include "control/management/env_filter.h"

#include <algorithm>
#include <array>

namespace culvert::management {
namespace {

/// How the common ones begin.
constexpr auto kCommon = std::to_array<std::string_view>({
    "X509_0_CN=",
    "bytes_received=",
    "bytes_sent=",
    "daemon_pid=",
    "daemon_start_time=",
    "dev=",
    "ifconfig_local=",
    "ifconfig_netmask=",
    "ifconfig_pool_netmask=",
    "ifconfig_pool_remote_ip=",
    "password=",
    "session_id=",
    "session_state=",
    "time_duration=",
    "tls_serial_",
    "untrusted_ip=",
    "username=",
});

}  // namespace

bool env_shown(std::string_view variable, int level) {
  if (level == 0) return true;
  if (level <= 1 && variable.starts_with("X509_")) return true;
  return level <= 2 && std::ranges::any_of(kCommon, [variable](auto begin) { return variable.starts_with(begin); });
}

}  // namespace culvert::management
