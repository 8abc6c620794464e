// What has happened, for `log`, `state` and `echo`: the newest entries, each with its time.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <string>

namespace culvert::management {

class History {
 public:
  explicit History(size_t capacity) : capacity_(capacity) {}

  void add(std::string line) {
    lines_.push_back(std::move(line));
    while (lines_.size() > capacity_) lines_.pop_front();
  }
  const std::deque<std::string>& lines() const { return lines_; }

 private:
  size_t capacity_;
  std::deque<std::string> lines_;  ///< oldest first, without line end
};

/// What outlives a management client.
struct Board {
  explicit Board(size_t log_lines) : log(log_lines) {}

  History log;
  History state{25};
  History echo{100};
  bool hold = false;     ///< the flag of `hold on|off`
  bool waiting = false;  ///< the gateway is held now
  std::string auth_retry = "none";
};

}  // namespace culvert::management
