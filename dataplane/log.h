// The dataplane's few log lines: to stderr, one write each, where `culvert up` or systemd collects them.
#pragma once

#include <unistd.h>

#include <string>

namespace culvert::dataplane {

inline void log_line(const std::string& text) {
  std::string line = "dataplane: " + text + "\n";
  [[maybe_unused]] ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace culvert::dataplane
