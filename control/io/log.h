// The operator's log: one line per event on standard error (systemd's journal takes it from there).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "control/now.h"
#include "control/openvpn/output.h"
#include "dataplane/abi/result.h"

namespace culvert::io {

using openvpn::LogLevel;

/// `text` without anything that could end a line or steer a terminal: names in certificates are the peer's choice.
std::string printable(std::string_view text);

/// Lines below `level` are left out.
void set_log_level(LogLevel level);
/// From now on the log, and all else on standard error, goes to the file (made 0600 when it is not there).
Status log_to_file(const std::string& path, bool append);
/// From now on the log goes to syslog under this name, facility daemon.
void log_to_syslog(const std::string& name);
/// `observer` gets every line that is written, printable, after it is written. It may log nothing itself. Empty: none.
void set_log_observer(std::function<void(LogLevel level, std::string_view text)> observer);
/// Writes one line; `text` is made printable.
void log(LogLevel level, std::string_view text);

/// Bounds how many lines may be written because of what peers do, so that a flood can't fill the disk: `burst` lines
/// per window, then one line that says how many were left out.
class LogBudget {
 public:
  explicit LogBudget(uint32_t burst = 200, MonoClock::duration window = std::chrono::seconds(10))
      : burst_(burst), window_(window) {}

  struct Verdict {
    bool write = false;
    uint64_t left_out_before = 0;  ///< lines left out in the window that has just ended: say so first
  };
  Verdict ask(MonoTime now);

 private:
  uint32_t burst_;
  MonoClock::duration window_;
  std::optional<MonoTime> window_start_;
  uint32_t written_ = 0;
  uint64_t left_out_ = 0;
};

/// log() within a budget.
void log_within(LogBudget& budget, MonoTime now, LogLevel level, std::string_view text);

}  // namespace culvert::io
