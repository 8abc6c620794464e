// The text of `status` in its three versions, as OpenVPN 2.6 writes it (multi.c, multi_print_status): to a management
// client and to the status file. Programs read it by position.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "control/management/daemon.h"

namespace culvert::management {

/// Lines without their ends. `version` is 1, 2 (commas) or 3 (tabs); another gives the reference's error line.
std::vector<std::string> status_lines(const std::string& title, const std::vector<Client>& clients, int version,
                                      std::chrono::sys_seconds now);

/// "2026-01-31 12:00:00" in local time.
std::string local_time_text(std::chrono::sys_seconds time);

/// "192.0.2.7:51820"; of IPv6 the address alone, as in OpenVPN 2.6 (mroute.c).
std::string real_address(const abi::Endpoint& remote);

/// `text` with everything that could end a line or a tab-separated field replaced by '_'.
std::string one_field(std::string_view text);

}  // namespace culvert::management
