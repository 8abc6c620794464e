// Rows as JSON. Apart from field.h, because JSON takes longer to compile than all that only pass rows on.
#pragma once

#include <nlohmann/json.hpp>

#include "control/admin/field.h"

namespace culvert::admin {

template <class Row>
ordered_json to_json(const Row& row) {
  ordered_json object = ordered_json::object();
  for (const Field<Row>& field : fields<Row>()) object[std::string(field.name)] = field.value(row);
  return object;
}

template <class Row>
ordered_json to_json(const std::vector<Row>& rows) {
  ordered_json list = ordered_json::array();
  for (const Row& row : rows) list.push_back(to_json(row));
  return list;
}

/// A text that is not known stands as null.
inline ordered_json text_or_null(const std::string& text) {
  return text.empty() ? ordered_json() : ordered_json(text);
}

}  // namespace culvert::admin
