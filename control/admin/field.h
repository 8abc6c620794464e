// One row type per list: a struct, and a list of its fields. The list gives the JSON (control) and the table (CLI)
// their names and their order, so that they can't drift apart.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace culvert::admin {

using nlohmann::ordered_json;

/// How a value is shown in a table. In JSON it stands as it is.
enum class Format : uint8_t {
  kPlain,    ///< text or number
  kBytes,    ///< number of bytes: "1.5 MiB"
  kBitRate,  ///< bits per second: "1.5 Mbit/s"
  kSeconds,  ///< number of seconds, for how long: "3 min 4 s"
  kLines,    ///< list of sentences: one on each line of the detailed view
};

enum class Shown : uint8_t {
  kAlways,   ///< in the list's table and in the detailed view
  kWide,     ///< likewise, but left out of the table on a terminal that is too narrow for it
  kDetails,  ///< in the detailed view and in JSON only
};

template <class Row>
struct Field {
  std::string_view name;    ///< in JSON
  std::string_view header;  ///< in tables
  ordered_json (*value)(const Row&);
  Format format = Format::kPlain;
  Shown shown = Shown::kAlways;
};

/// The fields of a row type; every row type of rows.h has a specialization.
template <class Row>
const std::vector<Field<Row>>& fields();

}  // namespace culvert::admin
