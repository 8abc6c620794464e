// The dataplane's few log lines: to stderr, one write each, where `culvert up` or systemd collects them.
#pragma once

#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>

namespace culvert::dataplane {

/// "2026-01-31 12:00:00.123", local time, as culvert-control's lines begin: both stand in one file.
inline std::string log_time() {
  timeval now{};
  gettimeofday(&now, nullptr);
  tm parts{};
  if (!localtime_r(&now.tv_sec, &parts)) return "?";
  std::array<char, 32> text{};
  size_t length = strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts);
  std::snprintf(text.data() + length, text.size() - length, ".%03u", static_cast<unsigned>(now.tv_usec / 1000) % 1000);
  return text.data();
}

inline void log_line(const std::string& text) {
  std::string line = log_time() + " dataplane: " + text + "\n";
  [[maybe_unused]] ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace culvert::dataplane
