#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "perf/bench_path/measure.h"

namespace culvert::perf {

std::string case_columns(const Case& what) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%-4s %-17s %5s %9u", to_text(what.direction).c_str(),
                to_text(what.cipher).c_str(), size_text(what.size).c_str(), what.sessions);
  return text.data();
}

void print_table_head(double cycles_per_ns) {
  std::printf(
      "Cycles of the time-stamp counter (%.3f per ns) per packet: median, and half the distance between the "
      "quartiles.\n"
      "ratio = throughput of the whole path / throughput of the AEAD alone (1 would be a path that costs nothing).\n\n"
      "dir  cipher             size  sessions  burst    AEAD alone     path alone     whole path    ns/pkt   Gb/s  "
      "ratio\n",
      cycles_per_ns);
}

void print_table_row(const Row& row, double cycles_per_ns) {
  double ns = row.whole.median / cycles_per_ns;
  std::printf("%s %6u  %7.1f ±%5.1f %7.1f ±%5.1f %7.1f ±%5.1f %8.1f %6.1f  %5.2f\n", case_columns(row.what).c_str(),
              row.burst, row.raw.median, row.raw.spread, row.path_only.median, row.path_only.spread, row.whole.median,
              row.whole.spread, ns, mean_bytes(row.what.size) * 8 / ns, row.ratio);
  std::fflush(stdout);
}

std::string to_json(const std::vector<Row>& rows, Order order, double cycles_per_ns) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const Row& row : rows) {
    nlohmann::ordered_json entry;
    entry["direction"] = to_text(row.what.direction);
    entry["cipher"] = to_text(row.what.cipher);
    if (row.what.size == kImix || row.what.size == kAnySize) {
      entry["size"] = size_text(row.what.size);
    } else {
      entry["size"] = row.what.size;
    }
    entry["sessions"] = row.what.sessions;
    entry["burst"] = row.burst;
    entry["order"] = to_text(order);
    auto figure = [&](const std::string& name, const Figure& value) {
      entry[name + "_cycles"] = value.median;
      entry[name + "_spread"] = value.spread;
      entry[name + "_ns"] = value.median / cycles_per_ns;
    };
    figure("whole", row.whole);
    figure("raw", row.raw);
    figure("path_only", row.path_only);
    entry["ratio"] = row.ratio;
    all.push_back(std::move(entry));
  }
  return all.dump(2);
}

}  // namespace culvert::perf
