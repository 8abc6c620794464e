// The highest rate at which a device loses no more than a goal, by trials (RFC 2544, section 26.1). Knows no packets:
// a trial is a function.
#pragma once

#include <cstdint>
#include <functional>

namespace culvert::pktgen {

/// What one trial came to.
struct Point {
  double rate = 0;  ///< packets per second that really were offered: less than asked when the generator can't do more
  double loss = 0;  ///< share of them that did not come back, 0 to 1
};

struct SearchSettings {
  double max_rate = 0;       ///< packets per second, tried first
  double resolution = 0.01;  ///< the search ends when the answer is known to this share of itself
  double loss_goal = 0;      ///< loss that still counts as good
  uint32_t tries = 1;        ///< trials that must all fail before a rate counts as too high
};

struct Found {
  double rate = 0;  ///< of the best good trial; 0: even the lowest rate tried lost too much
  double loss = 0;  ///< in that trial
  /// True: the device passed the most that the generator (or max_rate) could offer, so its own limit is higher.
  bool is_lower_bound = false;
  uint32_t trials = 0;
};

using Trial = std::function<Point(double rate)>;

/// Binary search. The first failed trial says what the device let through, which is where the search goes on. The rate
/// that failed last is tried again before the answer stands, so that something that disturbed a few trials does not
/// decide. Rates below 1/1000 of `max_rate` are not tried.
Found find_rate(const SearchSettings& settings, const Trial& trial);

}  // namespace culvert::pktgen
