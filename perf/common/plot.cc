#include "perf/common/plot.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace culvert::perf {
namespace {

std::string escaped(const std::string& text) {
  std::string made;
  for (char c : text) {
    if (c == '&')
      made += "&amp;";
    else if (c == '<')
      made += "&lt;";
    else if (c == '>')
      made += "&gt;";
    else
      made += c;
  }
  return made;
}

std::string at(const char* name, double value) {
  char text[64];
  std::snprintf(text, sizeof text, " %s=\"%.1f\"", name, value);
  return text;
}

}  // namespace

void Plot::line(double x1, double y1, double x2, double y2, const std::string& color, double width) {
  body_ += "<line" + at("x1", x1) + at("y1", y1) + at("x2", x2) + at("y2", y2) + " stroke=\"" + color + "\"" +
           at("stroke-width", width) + "/>\n";
}

void Plot::curve(const std::vector<std::pair<double, double>>& points, const std::string& color) {
  body_ += "<polyline fill=\"none\" stroke=\"" + color + "\" stroke-width=\"2\" points=\"";
  for (auto [x, y] : points) {
    char text[64];
    std::snprintf(text, sizeof text, "%.1f,%.1f ", x, y);
    body_ += text;
  }
  body_ += "\"/>\n";
}

void Plot::box(double x, double y, double width, double height, const std::string& color) {
  body_ += "<rect" + at("x", x) + at("y", y) + at("width", width) + at("height", std::max(height, 0.0)) + " fill=\"" +
           color + "\"/>\n";
}

void Plot::text(double x, double y, const std::string& what, const std::string& anchor, double size, double degrees) {
  body_ += "<text" + at("x", x) + at("y", y) + at("font-size", size) + " text-anchor=\"" + anchor + "\"";
  if (degrees != 0) {
    char turn[96];
    std::snprintf(turn, sizeof turn, " transform=\"rotate(%.0f %.1f %.1f)\"", degrees, x, y);
    body_ += turn;
  }
  body_ += ">" + escaped(what) + "</text>\n";
}

std::string Plot::svg() const {
  return "<svg xmlns=\"http://www.w3.org/2000/svg\"" + at("width", width_) + at("height", height_) +
         " font-family=\"sans-serif\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n" + body_ + "</svg>\n";
}

LogAxis::LogAxis(double least, double most, double start, double end)
    : first(static_cast<int>(std::floor(std::log10(least)))),
      last(std::max(first + 1, static_cast<int>(std::ceil(std::log10(most))))),
      from(start),
      to(end) {}

double LogAxis::at(double value) const {
  double place = value > 0 ? (std::log10(value) - first) / (last - first) : 0;
  return from + std::clamp(place, 0.0, 1.0) * (to - from);
}

std::vector<double> LogAxis::ticks() const {
  std::vector<double> made;
  for (int power = first; power <= last; ++power) made.push_back(std::pow(10.0, power));
  return made;
}

double round_step(double most, int parts) {
  double raw = most / parts;
  double decade = std::pow(10.0, std::floor(std::log10(raw)));
  for (double factor : {1.0, 2.0, 5.0})
    if (raw <= factor * decade * (1 + 1e-9)) return factor * decade;
  return 10 * decade;
}

std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

}  // namespace culvert::perf
