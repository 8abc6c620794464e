#include "perf/pktgen/case.h"

#include <algorithm>
#include <cstdio>

namespace culvert::pktgen {
namespace {

std::string line_of(const TrialResult& trial) {
  WayCounts total = trial.counts.total();
  char text[256];
  std::snprintf(text, sizeof text, "%s %s: offered %.4f Mpps%s, lost %.4f %% (%llu), p50 %.1f us, p99 %.1f us",
                to_text(trial.settings.direction).c_str(), size_text(trial.settings.size).c_str(),
                trial.offered_rate() / 1e6, trial.kept_pace ? "" : " (as much as the generator can)",
                total.loss() * 100, static_cast<unsigned long long>(total.lost()),
                static_cast<double>(trial.counts.latency.at(0.5)) / 1e3,
                static_cast<double>(trial.counts.latency.at(0.99)) / 1e3);
  return text;
}

/// Keeps the first error of trials that a search, which knows none, has run.
struct Recorder {
  const RunTrial& run;
  const std::function<void(const std::string&)>& log;
  Case& into;
  std::string error;

  const TrialResult* trial(const TrialSettings& settings) {
    if (!error.empty()) return nullptr;
    auto result = run(settings);
    if (!result) {
      error = result.error();
      return nullptr;
    }
    log(line_of(*result));
    return &into.trials.emplace_back(std::move(*result));
  }
  Point point(const TrialSettings& settings) {
    const TrialResult* result = trial(settings);
    // Any answer will do: "all is well" ends the search soonest.
    if (result == nullptr) return {settings.rate, 0};
    return {result->offered_rate(), result->counts.total().loss()};
  }
};

Found search(Recorder& recorder, TrialSettings settings, double max_rate, double goal, const Options& options) {
  SearchSettings search{max_rate, options.resolution_percent / 100, goal, options.tries};
  return find_rate(search, [&](double rate) {
    settings.rate = rate;
    return recorder.point(settings);
  });
}

/// Of `tries` trials the one in the middle by its 99th percentile: an accident of the machine does not count.
std::optional<TrialResult> typical_trial(Recorder& recorder, const TrialSettings& settings, uint32_t tries) {
  std::vector<TrialResult> results;
  for (uint32_t i = 0; i < tries; ++i)
    if (const TrialResult* result = recorder.trial(settings)) results.push_back(*result);
  if (results.empty()) return std::nullopt;
  auto middle = results.begin() + static_cast<std::ptrdiff_t>(results.size() / 2);
  std::ranges::nth_element(results, middle, {}, [](const TrialResult& each) { return each.counts.latency.at(0.99); });
  return *middle;
}

}  // namespace

WayCounts Case::wrong() const {
  WayCounts sum;
  for (const TrialResult& trial : trials) sum.add(trial.counts.total());
  return sum;
}

double gbps_of(double rate, uint32_t size) {
  return rate * mean_size(size) * 8 / 1e9;
}

Result<Case> run_case(Direction direction, uint32_t size, const Options& options, const RunTrial& run,
                      const std::function<void(const std::string&)>& log) {
  Case made;
  made.direction = direction;
  made.size = size;
  Recorder recorder{run, log, made, ""};
  TrialSettings settings{direction, size, 0, options.trial_seconds};
  if (!options.searches()) {
    settings.rate = options.rate_mpps > 0 ? options.rate_mpps * 1e6 : options.rate_gbps * 1e9 / (mean_size(size) * 8);
    if (const TrialResult* result = recorder.trial(settings)) made.fixed = *result;
  } else {
    made.pdr = search(recorder, settings, options.max_mpps * 1e6, options.loss_percent / 100, options);
    // Without loss it can't be more than with some.
    if (made.pdr->loss == 0 && made.pdr->is_lower_bound)
      made.ndr = made.pdr;
    else
      made.ndr = search(recorder, settings, made.pdr->rate, 0, options);
    made.ndr->is_lower_bound = made.ndr->is_lower_bound && made.pdr->is_lower_bound;
    for (double load : options.loads) {
      settings.rate = made.pdr->rate * load / 100;
      if (settings.rate <= 0) continue;
      if (auto result = typical_trial(recorder, settings, options.tries)) made.latency.push_back({load, *result});
    }
  }
  if (!recorder.error.empty()) return Error{recorder.error};
  return made;
}

}  // namespace culvert::pktgen
