#include "tools/culvert/table.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "control/config/bit_rate.h"
#include "control/io/log.h"

namespace culvert::cli {
namespace {

using nlohmann::ordered_json;

/// Columns on a terminal: characters, not bytes (UTF-8 continuation bytes take no room).
size_t width(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

bool is_number(const ordered_json& value) {
  return value.is_number();
}

std::string padded(const std::string& text, size_t to, bool right) {
  std::string space(to > width(text) ? to - width(text) : 0, ' ');
  return right ? space + text : text + space;
}

ordered_json value_of(const ordered_json& row, const Column& column) {
  return row.is_object() ? row.value(std::string(column.name), ordered_json()) : ordered_json();
}

constexpr const char* kGap = "  ";

/// A column of a table: its header, and what stands below it.
struct ShownColumn {
  std::vector<std::string> cells;
  size_t widest = 0;
  bool right = false;  ///< numbers, which are compared by their last digits
  bool wide = false;   ///< may be left out
};

ShownColumn shown_column(const Column& column, const ordered_json& rows) {
  ShownColumn made{.cells = {std::string(column.header)}, .wide = column.shown == admin::Shown::kWide};
  made.right =
      std::any_of(rows.begin(), rows.end(), [&](const ordered_json& row) { return is_number(value_of(row, column)); });
  for (const ordered_json& row : rows) {
    ordered_json value = value_of(row, column);
    made.right = made.right && (is_number(value) || value.is_null());
    made.cells.push_back(cell_text(value, column.format));
  }
  for (const std::string& cell : made.cells) made.widest = std::max(made.widest, width(cell));
  return made;
}

void leave_out_wide(std::vector<ShownColumn>& columns, size_t limit) {
  auto whole = [&columns] {
    size_t sum = 0;
    for (const ShownColumn& column : columns) sum += column.widest + (&column == &columns.back() ? 0 : 2);
    return sum;
  };
  while (limit > 0 && whole() > limit) {
    auto found = std::find_if(columns.rbegin(), columns.rend(), [](const ShownColumn& column) { return column.wide; });
    if (found == columns.rend()) return;
    columns.erase(std::next(found).base());
  }
}

/// `text` behind `indent` columns, broken between words where `limit` ends, unless hardly any room is left for it.
std::string hanging(const std::string& text, size_t indent, size_t limit) {
  constexpr size_t kLeast = 24;
  if (limit < indent + kLeast) return text;
  std::string out;
  size_t used = 0;
  for (size_t start = 0; start < text.size();) {
    size_t end = std::min(text.find(' ', start), text.size());
    std::string word = text.substr(start, end - start);
    if (used > 0 && indent + used + 1 + width(word) > limit) {
      out += "\n" + std::string(indent, ' ');
      used = 0;
    }
    out += (used > 0 ? " " : "") + word;
    used += (used > 0 ? 1 : 0) + width(word);
    start = end + 1;
  }
  return out;
}

}  // namespace

std::string bytes_text(uint64_t bytes) {
  constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text.data();
}

std::string duration_text(uint64_t seconds) {
  auto two = [](uint64_t a, const char* a_unit, uint64_t b, const char* b_unit) {
    return std::to_string(a) + a_unit + (b ? " " + std::to_string(b) + b_unit : std::string());
  };
  if (seconds < 60) return std::to_string(seconds) + " s";
  if (seconds < 3600) return two(seconds / 60, " min", seconds % 60, " s");
  if (seconds < 86400) return two(seconds / 3600, " h", seconds % 3600 / 60, " min");
  return two(seconds / 86400, " d", seconds % 86400 / 3600, " h");
}

std::string cell_text(const ordered_json& value, admin::Format format) {
  if (value.is_null()) return "-";
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_number_unsigned() || value.is_number_integer()) {
    if (format == admin::Format::kBytes) return bytes_text(value.get<uint64_t>());
    if (format == admin::Format::kBitRate) return config::bit_rate_text(value.get<uint64_t>());
    if (format == admin::Format::kSeconds) return duration_text(value.get<uint64_t>());
    return value.dump();
  }
  if (value.is_string()) return io::printable(value.get<std::string>());
  if (value.is_array()) {
    std::string all;
    for (const ordered_json& part : value) all += (all.empty() ? "" : ", ") + cell_text(part, format);
    return all.empty() ? "-" : all;
  }
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

size_t terminal_width() {
  winsize size{};
  return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

std::string table_text(const std::vector<Column>& columns, const ordered_json& rows, size_t limit) {
  std::vector<ShownColumn> shown;
  for (const Column& column : columns)
    if (column.shown != admin::Shown::kDetails) shown.push_back(shown_column(column, rows));
  leave_out_wide(shown, limit);
  std::string out;
  for (size_t row = 0; row <= rows.size(); ++row) {
    std::string line;
    for (const ShownColumn& column : shown) {
      bool last = &column == &shown.back();
      if (last && !column.right)
        line += hanging(column.cells[row], width(line), limit);
      else
        line += padded(column.cells[row], column.widest, column.right) + (last ? "" : kGap);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

TableStream::TableStream(const std::vector<Column>& columns, const std::map<std::string_view, size_t>& least) {
  std::copy_if(columns.begin(), columns.end(), std::back_inserter(shown_),
               [](const Column& column) { return column.shown != admin::Shown::kDetails; });
  for (const Column& column : shown_) {
    auto found = least.find(column.name);
    widths_.push_back(std::max(column.header.size(), found != least.end() ? found->second : 0));
  }
}

std::string TableStream::line(const ordered_json& row) {
  std::string headers, cells;
  for (size_t i = 0; i < shown_.size(); ++i) {
    ordered_json value = value_of(row, shown_[i]);
    std::string cell = cell_text(value, shown_[i].format);
    widths_[i] = std::max(widths_[i], width(cell));
    bool last = i + 1 == shown_.size();
    cells += last ? cell : padded(cell, widths_[i], is_number(value)) + "  ";
    headers += last ? std::string(shown_[i].header)
                    : padded(std::string(shown_[i].header), widths_[i], is_number(value)) + "  ";
  }
  return (std::exchange(began_, true) ? "" : headers + "\n") + cells + "\n";
}

std::string details_text(const std::vector<Column>& columns, const ordered_json& row, size_t limit) {
  size_t widest = 0;
  for (const Column& column : columns) widest = std::max(widest, column.header.size());
  std::string out;
  for (const Column& column : columns) {
    std::string header(column.header);
    std::transform(header.begin(), header.end(), header.begin(), [](unsigned char c) { return std::tolower(c); });
    ordered_json value = value_of(row, column);
    if (column.format != admin::Format::kLines || !value.is_array() || value.empty())
      value = ordered_json::array({value});
    for (const ordered_json& part : value)
      out += padded(std::exchange(header, ""), widest + 2, false) +
             hanging(cell_text(part, column.format), widest + 2, column.format == admin::Format::kLines ? limit : 0) +
             "\n";
  }
  return out;
}

void print_json(const ordered_json& data, bool one_line) {
  std::printf("%s\n", data.dump(one_line ? -1 : 2, ' ', false, ordered_json::error_handler_t::replace).c_str());
}

}  // namespace culvert::cli
