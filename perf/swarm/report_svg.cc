// The plot: goodput of each phase, and the distribution of round trips.
#include <algorithm>
#include <array>
#include <cmath>

#include "perf/common/plot.h"
#include "perf/swarm/report.h"

namespace culvert::swarm {
namespace {

using perf::Plot;

constexpr double kWidth = 900, kHeight = 360, kTop = 60, kBottom = 290;
constexpr double kBarsLeft = 70, kBarsRight = 420, kCurvesLeft = 520, kCurvesRight = 880;
const std::array<std::string, 4> kColors = {"#1b6ca8", "#e07b00", "#b3202c", "#5a7d2a"};
const std::string kAxis = "#444444", kGrid = "#dddddd";

void draw_goodput(Plot& plot, const std::vector<PhaseResult>& phases) {
  double most = 0.001;
  for (const PhaseResult& phase : phases) most = std::max({most, phase.in_gbps, phase.out_gbps});
  double step = perf::round_step(most, 5);
  double top = std::ceil(most / step) * step;
  auto y_of = [&](double value) { return kBottom - value / top * (kBottom - kTop); };
  plot.text((kBarsLeft + kBarsRight) / 2, kTop - 25, "Goodput, Gb/s of inner bytes (in, out)", "middle", 13);
  for (double tick = 0; tick <= top * 1.0001; tick += step) {
    plot.line(kBarsLeft, y_of(tick), kBarsRight, y_of(tick), kGrid);
    plot.text(kBarsLeft - 6, y_of(tick) + 4, perf::number_text(tick), "end", 10);
  }
  double slot = (kBarsRight - kBarsLeft) / static_cast<double>(phases.size());
  double x = kBarsLeft;
  for (const PhaseResult& phase : phases) {
    plot.box(x + slot * 0.15, y_of(phase.in_gbps), slot * 0.3, kBottom - y_of(phase.in_gbps), kColors[0]);
    plot.box(x + slot * 0.5, y_of(phase.out_gbps), slot * 0.3, kBottom - y_of(phase.out_gbps), kColors[1]);
    plot.text(x + slot * 0.5, kBottom + 16, to_text(phase.kind), "middle", 10);
    x += slot;
  }
  plot.line(kBarsLeft, kBottom, kBarsRight, kBottom, kAxis);
}

/// 50, 90, 99, 99.9 … at equal distances, where tails can be read.
void draw_latency(Plot& plot, const std::vector<PhaseResult>& phases) {
  constexpr double kDecades = 4;
  double least = 1e9, most = 1;
  for (const PhaseResult& phase : phases) {
    if (phase.rtt_ns.count() == 0) continue;
    least = std::min(least, static_cast<double>(phase.rtt_ns.at(0.01)) / 1e3);
    most = std::max(most, static_cast<double>(phase.rtt_ns.max()) / 1e3);
  }
  if (least > most) return;
  perf::LogAxis axis(std::max(least, 0.1), most, kBottom, kTop);
  plot.text((kCurvesLeft + kCurvesRight) / 2, kTop - 25, "Round trip by percentile, µs", "middle", 13);
  for (double tick : axis.ticks()) {
    plot.line(kCurvesLeft, axis.at(tick), kCurvesRight, axis.at(tick), kGrid);
    plot.text(kCurvesLeft - 6, axis.at(tick) + 4, perf::number_text(tick), "end", 10);
  }
  const std::array<const char*, 5> names = {"0", "90", "99", "99.9", "99.99"};
  for (size_t i = 0; i < names.size(); ++i)
    plot.text(kCurvesLeft + (kCurvesRight - kCurvesLeft) * static_cast<double>(i) / kDecades, kBottom + 16, names[i],
              "middle", 10);
  size_t color = 0;
  for (const PhaseResult& phase : phases) {
    if (phase.rtt_ns.count() == 0) continue;
    std::vector<std::pair<double, double>> points;
    for (double decade = 0; decade <= kDecades; decade += 0.1)
      points.emplace_back(kCurvesLeft + (kCurvesRight - kCurvesLeft) * decade / kDecades,
                          axis.at(static_cast<double>(phase.rtt_ns.at(1 - std::pow(10.0, -decade))) / 1e3));
    plot.curve(points, kColors[color % kColors.size()]);
    plot.text(kCurvesLeft + 8, kTop + 14 * static_cast<double>(color + 1), to_text(phase.kind), "start", 10);
    ++color;
  }
}

}  // namespace

std::string to_svg(const Run& run) {
  Plot plot(kWidth, kHeight);
  plot.text(kWidth / 2, 18,
            std::to_string(run.options.clients) + " clients over " + run.options.protocol + ", inner packets of " +
                std::to_string(run.options.size) + " bytes",
            "middle", 14);
  if (!run.phases.empty()) draw_goodput(plot, run.phases);
  draw_latency(plot, run.phases);
  return plot.svg();
}

}  // namespace culvert::swarm
