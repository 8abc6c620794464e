#include <algorithm>
#include <array>
#include <cmath>

#include "perf/common/plot.h"
#include "perf/pktgen/report.h"

namespace culvert::pktgen {
namespace {

using perf::LogAxis;
using perf::number_text;
using perf::Plot;
using perf::round_step;

constexpr double kPanelWidth = 420, kPanelHeight = 300, kMargin = 60, kTop = 50;
constexpr int kPerRow = 2;
const std::array<std::string, 4> kColors = {"#1b6ca8", "#e07b00", "#b3202c", "#5a7d2a"};
const std::string kAxis = "#444444", kGrid = "#dddddd";

struct Area {
  double left, top, right, bottom;
};

Area area_of(size_t index) {
  double left = static_cast<double>(index % kPerRow) * kPanelWidth + kMargin;
  double top = static_cast<double>(index / kPerRow) * kPanelHeight + kTop + 30;
  return {left, top, left + kPanelWidth - kMargin - 20, top + kPanelHeight - 85};
}

void frame(Plot& plot, const Area& area, const std::string& title, const std::string& x, const std::string& y) {
  plot.line(area.left, area.bottom, area.right, area.bottom, kAxis);
  plot.line(area.left, area.top, area.left, area.bottom, kAxis);
  plot.text((area.left + area.right) / 2, area.top - 10, title, "middle", 13);
  plot.text((area.left + area.right) / 2, area.bottom + 34, x, "middle", 11);
  plot.text(area.left - 44, (area.top + area.bottom) / 2, y, "middle", 11, -90);
}

std::string name_of(const Case& each) {
  return to_text(each.direction) + " " + size_text(each.size);
}

/// Two bars per case: NDR and PDR, in millions of packets per second.
void draw_rates(Plot& plot, const Area& area, const std::vector<const Case*>& cases) {
  double most = 0;
  for (const Case* each : cases) most = std::max(most, each->pdr->rate / 1e6);
  double step = round_step(std::max(most, 1e-6), 5);
  double top = std::ceil(most / step + 1e-9) * step;
  auto y_of = [&](double value) { return area.bottom - value / top * (area.bottom - area.top); };
  frame(plot, area, "Highest rates", "direction and size of inner packets (bytes)", "million packets/s");
  for (double tick = 0; tick <= top * 1.0001; tick += step) {
    plot.line(area.left, y_of(tick), area.right, y_of(tick), kGrid);
    plot.text(area.left - 5, y_of(tick) + 4, number_text(tick), "end", 10);
  }
  double slot = (area.right - area.left) / static_cast<double>(cases.size());
  double x = area.left;
  for (const Case* each : cases) {
    double bar = slot * 0.36;
    for (auto [found, color, shift] : {std::tuple{&*each->ndr, 0, 0.1}, {&*each->pdr, 1, 0.5}}) {
      double y = y_of(found->rate / 1e6);
      plot.box(x + slot * shift, y, bar, area.bottom - y, kColors[static_cast<size_t>(color)]);
    }
    plot.text(x + slot / 2, area.bottom + 12, to_text(each->direction), "middle", 8);
    plot.text(x + slot / 2, area.bottom + 22, size_text(each->size), "middle", 8);
    x += slot;
  }
  plot.box(area.right - 118, area.top - 4, 10, 10, kColors[0]);
  plot.text(area.right - 104, area.top + 5, "NDR", "start", 10);
  plot.box(area.right - 62, area.top - 4, 10, 10, kColors[1]);
  plot.text(area.right - 48, area.top + 5, "PDR", "start", 10);
}

struct Curve {
  const Histogram* latency;
  std::string label;
};

/// Latency by percentile. The x axis shows 50, 90, 99, 99.9 … at equal distances, where tails can be read.
void draw_latency(Plot& plot, const Area& area, const std::string& title, const std::vector<Curve>& curves) {
  constexpr double kDecades = 5;  // to 99.999 %
  double least = 1e9, most = 1;
  for (const Curve& curve : curves) {
    least = std::min(least, std::max(0.01, static_cast<double>(curve.latency->at(0.01)) / 1e3));
    most = std::max(most, static_cast<double>(curve.latency->max()) / 1e3);
  }
  LogAxis y(least, most, area.bottom, area.top);
  auto x_of = [&](double quantile) {
    return area.left + std::min(-std::log10(1 - quantile), kDecades) / kDecades * (area.right - area.left);
  };
  frame(plot, area, title, "share of packets that were as fast or faster (%)", "latency (us)");
  for (double tick : y.ticks()) {
    plot.line(area.left, y.at(tick), area.right, y.at(tick), kGrid);
    plot.text(area.left - 5, y.at(tick) + 4, number_text(tick), "end", 10);
  }
  for (double quantile : {0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999}) {
    plot.line(x_of(quantile), area.top, x_of(quantile), area.bottom, kGrid);
    plot.text(x_of(quantile), area.bottom + 15, number_text(quantile * 100), "middle", 10);
  }
  for (size_t i = 0; i < curves.size(); ++i) {
    std::vector<std::pair<double, double>> points;
    for (double decade = 0; decade <= kDecades; decade += 0.05) {
      double quantile = 1 - std::pow(10.0, -decade);
      points.emplace_back(x_of(quantile), y.at(static_cast<double>(curves[i].latency->at(quantile)) / 1e3));
    }
    plot.curve(points, kColors[i % kColors.size()]);
  }
  plot.box(area.left + 4, area.top + 1, 165, 14.0 * static_cast<double>(curves.size()) + 4, "#ffffff");
  double legend = area.top + 12;
  for (size_t i = 0; i < curves.size(); ++i) {
    plot.line(area.left + 8, legend - 4, area.left + 28, legend - 4, kColors[i % kColors.size()], 2);
    plot.text(area.left + 33, legend, curves[i].label, "start", 10);
    legend += 14;
  }
}

std::vector<Curve> curves_of(const Case& each) {
  std::vector<Curve> curves;
  for (const LatencyRow& row : each.latency)
    if (row.trial.counts.latency.count() > 0)
      curves.push_back({&row.trial.counts.latency, number_text(row.load) + " % of PDR (" +
                                                       number_text(std::round(row.trial.offered_rate() / 1e3) / 1e3) +
                                                       " Mpps)"});
  if (each.fixed && each.fixed->counts.latency.count() > 0)
    curves.push_back(
        {&each.fixed->counts.latency, number_text(std::round(each.fixed->offered_rate() / 1e3) / 1e3) + " Mpps"});
  return curves;
}

}  // namespace

std::string to_svg(const std::vector<Case>& cases, const Setting& setting, const Options& options) {
  std::vector<const Case*> searched;
  for (const Case& each : cases)
    if (each.ndr && each.pdr) searched.push_back(&each);
  size_t panels = cases.size() + (searched.empty() ? 0 : 1);
  size_t rows = (panels + kPerRow - 1) / kPerRow;
  Plot plot(kPerRow * kPanelWidth + 20, static_cast<double>(rows) * kPanelHeight + kTop + 10);
  plot.text(kMargin, 28,
            std::string(options.loopback ? "the generator by itself" : "culvert " CULVERT_VERSION " under pktgen") +
                ": " + setting.cipher + ", " + std::to_string(options.clients) + " clients",
            "start", 16);
  size_t panel = 0;
  if (!searched.empty()) draw_rates(plot, area_of(panel++), searched);
  for (const Case& each : cases)
    if (auto curves = curves_of(each); !curves.empty()) draw_latency(plot, area_of(panel++), name_of(each), curves);
  return plot.svg();
}

}  // namespace culvert::pktgen
