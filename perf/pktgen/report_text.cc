#include <cstdio>

#include "perf/pktgen/report.h"

namespace culvert::pktgen {
namespace {

template <class... Values>
std::string format(const char* how, Values... values) {
  char text[320];
  std::snprintf(text, sizeof text, how, values...);
  return text;
}

std::string found_text(const Found& found, uint32_t size) {
  return format("%s%8.4f %8.3f", found.is_lower_bound ? ">" : " ", found.rate / 1e6, gbps_of(found.rate, size));
}

std::string latency_text(const Histogram& latency) {
  auto us = [&](double quantile) { return static_cast<double>(latency.at(quantile)) / 1e3; };
  return format("%9.1f %9.1f %9.1f %9.1f", us(0.5), us(0.99), us(0.999), static_cast<double>(latency.max()) / 1e3);
}

std::string search_tables(const std::vector<Case>& cases) {
  std::string text =
      "                   NDR (no loss)       PDR\n"
      "direction  size       Mpps     Gb/s      Mpps     Gb/s   loss %   trials\n";
  for (const Case& each : cases) {
    if (!each.pdr || !each.ndr) continue;
    text += format("%-9s %5s %s %s %8.4f %8zu\n", to_text(each.direction).c_str(), size_text(each.size).c_str(),
                   found_text(*each.ndr, each.size).c_str(), found_text(*each.pdr, each.size).c_str(),
                   each.pdr->loss * 100, each.trials.size());
  }
  text +=
      "Gb/s: of inner packets. > : passed the most that was offered, so the gateway's own limit is higher.\n\n"
      "Latency in us\n"
      "direction  size  % of PDR      Mpps   loss %       p50       p99     p99.9       max\n";
  for (const Case& each : cases)
    for (const LatencyRow& row : each.latency)
      text += format("%-9s %5s %9g %9.4f %8.4f %s\n", to_text(each.direction).c_str(), size_text(each.size).c_str(),
                     row.load, row.trial.offered_rate() / 1e6, row.trial.counts.total().loss() * 100,
                     latency_text(row.trial.counts.latency).c_str());
  return text;
}

std::string fixed_table(const std::vector<Case>& cases) {
  std::string text =
      "direction  size  offered Mpps  received Mpps      Gb/s         lost    loss %   p50 us    p99 us  p99.9 us    "
      "max us  pause us\n";
  for (const Case& each : cases) {
    if (!each.fixed) continue;
    const TrialResult& trial = *each.fixed;
    WayCounts total = trial.counts.total();
    text += format("%-9s %5s %13.4f %14.4f %9.3f %12llu %9.4f%s %9.1f%s\n", to_text(each.direction).c_str(),
                   size_text(each.size).c_str(), trial.offered_rate() / 1e6, trial.received_rate() / 1e6,
                   static_cast<double>(total.bytes) * 8 / 1e9 / trial.seconds,
                   static_cast<unsigned long long>(total.lost()), total.loss() * 100,
                   latency_text(trial.counts.latency).c_str(), static_cast<double>(trial.longest_pause) / 1e3,
                   trial.kept_pace ? "" : "  (the generator could not offer more)");
  }
  return text;
}

}  // namespace

std::string to_table(const std::vector<Case>& cases) {
  return !cases.empty() && cases.front().fixed ? fixed_table(cases) : search_tables(cases);
}

std::string to_complaints(const std::vector<Case>& cases) {
  std::string text;
  for (const Case& each : cases) {
    WayCounts wrong = each.wrong();
    if (wrong.damaged + wrong.doubled + wrong.reordered + wrong.too_late == 0) continue;
    auto number = [](uint64_t count) { return static_cast<unsigned long long>(count); };
    text +=
        format("%s %s: of %llu packets %llu came back damaged, %llu twice, %llu out of order, %llu too late to tell\n",
               to_text(each.direction).c_str(), size_text(each.size).c_str(), number(wrong.offered()),
               number(wrong.damaged), number(wrong.doubled), number(wrong.reordered), number(wrong.too_late));
  }
  return text;
}

}  // namespace culvert::pktgen
