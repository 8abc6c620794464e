// Rows as text: tables for lists, "name: value" for one. Headers and formats come from the row types (control/admin).
#pragma once

#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "control/admin/field.h"

namespace culvert::cli {

/// One column of a list, independent of its row type.
struct Column {
  std::string_view name;
  std::string_view header;
  admin::Format format;
  admin::Shown shown;
};

template <class Row>
std::vector<Column> columns_of() {
  std::vector<Column> columns;
  for (const auto& field : admin::fields<Row>())
    columns.push_back({field.name, field.header, field.format, field.shown});
  return columns;
}

/// A value as it stands in a cell; "-" for null. Control characters of peers do not get through.
std::string cell_text(const nlohmann::ordered_json& value, admin::Format format);
/// "1.5 MiB"
std::string bytes_text(uint64_t bytes);
/// "2 h 5 min"
std::string duration_text(uint64_t seconds);

/// Columns of the terminal that standard output is; 0 when it is none.
size_t terminal_width();

/// A table with a line of headers; columns are as wide as their longest cell. `rows` is an array of objects. With a
/// `limit` (characters), those of Shown::kWide are left out, last first, until the rest fits, and a long text at a
/// line's end goes on below where it began.
std::string table_text(const std::vector<Column>& columns, const nlohmann::ordered_json& rows, size_t limit = 0);
/// One line per field, those with Shown::kDetails too. With a `limit`, long sentences go on below where they began.
std::string details_text(const std::vector<Column>& columns, const nlohmann::ordered_json& row, size_t limit = 0);

/// A table whose rows come one by one: columns begin as wide as `least` says (by name), and grow when a cell is wider
/// than all before it.
class TableStream {
 public:
  explicit TableStream(const std::vector<Column>& columns, const std::map<std::string_view, size_t>& least = {});
  /// The row's line, with the line of headers in front when it is the first.
  std::string line(const nlohmann::ordered_json& row);

 private:
  std::vector<Column> shown_;
  std::vector<size_t> widths_;
  bool began_ = false;
};

/// Prints JSON, on one line or indented. Bytes that are no UTF-8 are replaced.
void print_json(const nlohmann::ordered_json& data, bool one_line = false);

}  // namespace culvert::cli
