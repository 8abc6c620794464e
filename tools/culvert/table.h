// Rows as text: tables for lists, "name: value" for one. Headers and formats come from the row types (control/admin).
#pragma once

#include <cstdio>
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

/// A table with a line of headers; columns are as wide as their longest cell. `rows` is an array of objects.
std::string table_text(const std::vector<Column>& columns, const nlohmann::ordered_json& rows);
/// One line per field, those with Shown::kDetails too.
std::string details_text(const std::vector<Column>& columns, const nlohmann::ordered_json& row);

/// A table whose rows come one by one: columns grow when a cell is wider than all before it.
class TableStream {
 public:
  explicit TableStream(const std::vector<Column>& columns);
  /// The row's line, with the line of headers in front when it is the first.
  std::string line(const nlohmann::ordered_json& row);

 private:
  std::vector<Column> shown_;
  std::vector<size_t> widths_;
  bool began_ = false;
};

}  // namespace culvert::cli
