// Several ways of doing one thing, measured in turns, and rows of what they cost.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "dataplane/abi/result.h"
#include "perf/bench_path/measure.h"

namespace culvert::perf {

/// What a case costs in each of several ways.
template <size_t kWays>
struct Cost {
  Case what;
  std::array<Figure, kWays> cycles;  ///< per packet
  std::array<Figure, kWays> ratios;  ///< to another way, round by round
};

/// Times every way in each of `repeats` rounds, none always first, after one round that does not count. `time(way)`:
/// cycles per packet, or the error that ends it all; `ratio(round, way)`: of the cycles of one round.
template <size_t kWays, class Time, class Ratio>
Result<Cost<kWays>> in_turns(const Case& what, uint32_t repeats, Time time, Ratio ratio) {
  constexpr uint32_t kWarmUp = 1;
  std::array<std::vector<double>, kWays> cycles, ratios;
  for (uint32_t repeat = 0; repeat < kWarmUp + repeats; ++repeat) {
    std::array<double, kWays> round{};
    for (size_t turn = 0; turn < kWays; ++turn) {
      size_t way = (repeat + turn) % kWays;
      Result<double> timed = time(way);
      if (!timed) return Error{timed.error()};
      round[way] = *timed;
    }
    for (size_t way = 0; way < kWays && repeat >= kWarmUp; ++way) {
      cycles[way].push_back(round[way]);
      ratios[way].push_back(ratio(round, way));
    }
  }
  Cost<kWays> cost{what, {}, {}};
  for (size_t way = 0; way < kWays; ++way) {
    cost.cycles[way] = figure_of(cycles[way]);
    cost.ratios[way] = figure_of(ratios[way]);
  }
  return cost;
}

/// Prints a table below `head`, which ends with a newline, or with `json` one array. `names` begin the fields of each
/// way in JSON; `cell(cycles, ratio, way)` is its part of a line, from the medians.
template <size_t kWays, class Cell>
void print_costs(const std::vector<Cost<kWays>>& rows, const std::array<const char*, kWays>& names,
                 const std::string& head, bool json, Cell cell) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  std::string table = head;
  for (const Cost<kWays>& row : rows) {
    nlohmann::ordered_json entry = {{"direction", to_text(row.what.direction)},
                                    {"cipher", to_text(row.what.cipher)},
                                    {"size", size_text(row.what.size)},
                                    {"sessions", row.what.sessions}};
    table += case_columns(row.what);
    for (size_t way = 0; way < kWays; ++way) {
      const std::string name = names[way];
      entry[name + "_cycles"] = row.cycles[way].median;
      entry[name + "_spread"] = row.cycles[way].spread;
      entry[name + "_ratio"] = row.ratios[way].median;
      entry[name + "_ratio_spread"] = row.ratios[way].spread;
      table += cell(row.cycles[way].median, row.ratios[way].median, way);
    }
    table += "\n";
    all.push_back(std::move(entry));
  }
  std::printf("%s", json ? (all.dump(2) + "\n").c_str() : table.c_str());
}

}  // namespace culvert::perf
