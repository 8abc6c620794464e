// Tables on terminals that are too narrow for them, and values that are not there.
#include "tools/culvert/table.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "control/admin/rows.h"

namespace culvert::cli {
namespace {

using admin::Format;
using admin::Shown;
using nlohmann::ordered_json;

const std::vector<Column> kColumns = {{"name", "NAME", Format::kPlain, Shown::kAlways},
                                      {"cipher", "CIPHER", Format::kPlain, Shown::kWide},
                                      {"packets", "PACKETS", Format::kPlain, Shown::kAlways},
                                      {"tls", "TLS", Format::kPlain, Shown::kWide},
                                      {"serial", "SERIAL", Format::kPlain, Shown::kDetails}};
const ordered_json kRows = {
    {{"name", "alice"}, {"cipher", "AES-256-GCM"}, {"packets", 12}, {"tls", "TLSv1.3"}, {"serial", "1"}},
    {{"name", "bob"}, {"cipher", "AES-128-GCM"}, {"packets", 3456}, {"tls", nullptr}, {"serial", "2"}}};

TEST(Table, ShowsAllWhereThereIsNoTerminal) {
  EXPECT_EQ(table_text(kColumns, kRows),
            "NAME   CIPHER       PACKETS  TLS\n"
            "alice  AES-256-GCM       12  TLSv1.3\n"
            "bob    AES-128-GCM     3456  -\n");
}

TEST(Table, LeavesOutWideColumnsLastFirst) {
  EXPECT_EQ(table_text(kColumns, kRows, 36), table_text(kColumns, kRows)) << "fits exactly";
  EXPECT_EQ(table_text(kColumns, kRows, 35),
            "NAME   CIPHER       PACKETS\n"
            "alice  AES-256-GCM       12\n"
            "bob    AES-128-GCM     3456\n");
  const std::string narrowest =
      "NAME   PACKETS\n"
      "alice       12\n"
      "bob       3456\n";
  EXPECT_EQ(table_text(kColumns, kRows, 26), narrowest);
  EXPECT_EQ(table_text(kColumns, kRows, 5), narrowest) << "the others are always there";
}

TEST(Table, ALongTextAtTheEndGoesOnBelowItself) {
  const std::vector<Column> columns = {{"name", "REASON", Format::kPlain, Shown::kAlways},
                                       {"text", "WHAT IT MEANS", Format::kPlain, Shown::kAlways}};
  const ordered_json rows = {{{"name", "key_unknown"}, {"text", "key-id has no key: not installed yet, or expired"}}};
  EXPECT_EQ(table_text(columns, rows, 40),
            "REASON       WHAT IT MEANS\n"
            "key_unknown  key-id has no key: not\n"
            "             installed yet, or expired\n");
  EXPECT_EQ(table_text(columns, rows, 30),
            "REASON       WHAT IT MEANS\n"
            "key_unknown  key-id has no key: not installed yet, or expired\n")
      << "no room for a column of words";
}

TEST(Table, TheDetailedViewHasALineForEachSentence) {
  const std::vector<Column> columns = {{"listening", "listening", Format::kPlain, Shown::kAlways},
                                       {"warnings", "warnings", Format::kLines, Shown::kAlways}};
  ordered_json row = {{"listening", {"udp 0.0.0.0:1194", "udp [::]:1194"}}, {"warnings", {"one, two", "three"}}};
  EXPECT_EQ(details_text(columns, row),
            "listening  udp 0.0.0.0:1194, udp [::]:1194\n"
            "warnings   one, two\n"
            "           three\n");
  row["warnings"] = {"the list of the CA has expired"};
  EXPECT_NE(details_text(columns, row, 36).find("warnings   the list of the CA has\n           expired\n"),
            std::string::npos);
  row["warnings"] = ordered_json::array();
  EXPECT_NE(details_text(columns, row).find("warnings   -\n"), std::string::npos);
}

TEST(Table, AStreamBeginsAsWideAsItIsTold) {
  TableStream stream({kColumns[0], kColumns[1]}, {{"name", 8}});
  EXPECT_EQ(stream.line({{"name", "bob"}, {"cipher", "x"}}), "NAME      CIPHER\nbob       x\n");
  EXPECT_EQ(stream.line({{"name", "longer than 8"}, {"cipher", "y"}}), "longer than 8  y\n");
  EXPECT_EQ(stream.line({{"name", "bob"}, {"cipher", "z"}}), "bob            z\n");
}

}  // namespace
}  // namespace culvert::cli
