// The few shapes that a plot is made of, as SVG text.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace culvert::perf {

class Plot {
 public:
  Plot(double width, double height) : width_(width), height_(height) {}

  void line(double x1, double y1, double x2, double y2, const std::string& color, double width = 1);
  void curve(const std::vector<std::pair<double, double>>& points, const std::string& color);
  void box(double x, double y, double width, double height, const std::string& color);
  /// `anchor`: start, middle, end. `degrees`: turned about its place.
  void text(double x, double y, const std::string& what, const std::string& anchor = "start", double size = 12,
            double degrees = 0);
  std::string svg() const;

 private:
  double width_, height_;
  std::string body_;
};

/// A logarithmic axis of whole decades that holds everything from `least` to `most` (both above 0).
struct LogAxis {
  LogAxis(double least, double most, double from, double to);
  /// Where `value` is drawn; values outside are drawn at the end.
  double at(double value) const;
  /// The decades: 1, 10, 100 …
  std::vector<double> ticks() const;

  int first, last;  ///< powers of ten
  double from, to;  ///< coordinates of the ends
};

/// A step of 1, 2 or 5 times a power of ten that cuts 0 to `most` into about `parts`.
double round_step(double most, int parts);
/// "0.05", "12": as short as it is exact.
std::string number_text(double value);

}  // namespace culvert::perf
