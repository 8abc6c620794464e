#include "tools/culvert/table.h"

#include <algorithm>
#include <array>
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

std::string table_text(const std::vector<Column>& columns, const ordered_json& rows) {
  std::string out;
  std::vector<std::string> lines(rows.size() + 1);
  std::vector<Column> shown;
  std::copy_if(columns.begin(), columns.end(), std::back_inserter(shown),
               [](const Column& column) { return column.shown == admin::Shown::kAlways; });
  for (size_t c = 0; c < shown.size(); ++c) {
    const Column& column = shown[c];
    std::vector<std::string> cells = {std::string(column.header)};
    bool right = std::any_of(rows.begin(), rows.end(),
                             [&](const ordered_json& row) { return is_number(value_of(row, column)); });
    for (const ordered_json& row : rows) {
      ordered_json value = value_of(row, column);
      right = right && (is_number(value) || value.is_null());
      cells.push_back(cell_text(value, column.format));
    }
    size_t widest = 0;
    for (const std::string& cell : cells) widest = std::max(widest, width(cell));
    bool last = c + 1 == shown.size();
    for (size_t i = 0; i < cells.size(); ++i)
      lines[i] += last && !right ? cells[i] : padded(cells[i], widest, right) + (last ? "" : "  ");
  }
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

TableStream::TableStream(const std::vector<Column>& columns) {
  std::copy_if(columns.begin(), columns.end(), std::back_inserter(shown_),
               [](const Column& column) { return column.shown == admin::Shown::kAlways; });
  for (const Column& column : shown_) widths_.push_back(column.header.size());
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

std::string details_text(const std::vector<Column>& columns, const ordered_json& row) {
  size_t widest = 0;
  for (const Column& column : columns) widest = std::max(widest, column.header.size());
  std::string out;
  for (const Column& column : columns) {
    std::string header(column.header);
    std::transform(header.begin(), header.end(), header.begin(), [](unsigned char c) { return std::tolower(c); });
    out += padded(header, widest + 2, false) + cell_text(value_of(row, column), column.format) + "\n";
  }
  return out;
}

}  // namespace culvert::cli
