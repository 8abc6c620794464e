#include "perf/pktgen/search.h"

#include <algorithm>

namespace culvert::pktgen {
namespace {

constexpr double kLowest = 0.001;    ///< of max_rate
constexpr uint32_t kMostRates = 50;  ///< a device whose limit moves while we search must not keep us for ever
constexpr double kBelowThroughput = 0.98;

/// Up to `tries` trials at one rate: the first good one, or the last.
Point try_rate(const SearchSettings& settings, const Trial& trial, double rate, uint32_t& trials) {
  Point point;
  for (uint32_t i = 0; i < settings.tries; ++i) {
    point = trial(rate);
    ++trials;
    if (point.loss <= settings.loss_goal) break;
  }
  return point;
}

}  // namespace

Found find_rate(const SearchSettings& settings, const Trial& trial) {
  Found found;
  Point top = try_rate(settings, trial, settings.max_rate, found.trials);
  if (top.loss <= settings.loss_goal) return {top.rate, top.loss, true, found.trials};
  const double most = std::min(settings.max_rate, top.rate);
  double low = 0;
  double high = most;
  double next = high * (1 - top.loss) * kBelowThroughput;
  for (uint32_t i = 0; i < kMostRates; ++i) {
    // Known well enough: but does `high` really fail, or did something else happen when it was tried?
    bool again = high - low <= settings.resolution * high;
    if (again) next = high;
    if (next < settings.max_rate * kLowest) break;
    Point point = try_rate(settings, trial, next, found.trials);
    bool good = point.loss <= settings.loss_goal;
    if (good && point.rate > found.rate) found.rate = point.rate, found.loss = point.loss;
    if (again && (!good || high >= most)) {
      found.is_lower_bound = good;
      break;
    }
    if (good) low = next;
    if (again)
      high = most;  // it was something else
    else if (!good)
      high = next;
    next = (low + high) / 2;
  }
  return found;
}

}  // namespace culvert::pktgen
