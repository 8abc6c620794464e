// An entry of the dataplane as the operator reads it.
#include "tools/culvert/trace_rows.h"

#include <gtest/gtest.h>

#include "control/admin/to_json.h"
#include "dataplane/abi/endpoint_text.h"
#include "tools/culvert/table.h"

namespace culvert::cli {
namespace {

abi::TraceEntry dropped_ping() {
  abi::TraceEntry entry{};
  entry.remote.address = *abi::parse_ip("2001:db8::7");
  entry.remote.port = 4000;
  entry.session = {3, 1};
  entry.to.peer_id = abi::kNoPeerId;
  entry.outer_length = 120;
  entry.inner_length = 84;
  entry.count = 1;
  entry.reason = static_cast<uint16_t>(abi::DropReason::inner_source_not_allowed);
  entry.direction = abi::trace_direction::kFromClient;
  entry.inner_version = 4;
  entry.inner_protocol = 1;
  entry.inner_source = {10, 8, 0, 9};
  entry.inner_destination = {10, 8, 0, 1};
  entry.step = {"check_source"};
  return entry;
}

TEST(TraceRow, NamesWhatTheEntryNumbers) {
  auto row = admin::to_json(trace_row(dropped_ping(), 2, 1'700'000'000'000'123'456, "alice"));
  nlohmann::ordered_json expected = {{"time", "2023-11-14T22:13:20.000123Z"},
                                     {"worker", 2},
                                     {"direction", "from_client"},
                                     {"session", 3},
                                     {"common_name", "alice"},
                                     {"to_session", nullptr},
                                     {"step", "check_source"},
                                     {"result", "dropped"},
                                     {"reason", "inner_source_not_allowed"},
                                     {"count", 1},
                                     {"outer_bytes", 120},
                                     {"inner_bytes", 84},
                                     {"remote", "[2001:db8::7]:4000"},
                                     {"inner_source", "10.8.0.9"},
                                     {"inner_destination", "10.8.0.1"},
                                     {"protocol", "icmp"}};
  EXPECT_EQ(row, expected) << row.dump(1);
}

TEST(TraceRow, PortsStandWithTheirAddresses) {
  abi::TraceEntry entry = dropped_ping();
  entry.reason = abi::kNoDropReason;
  entry.direction = abi::trace_direction::kToClient;
  entry.to = {9, 4};
  entry.inner_version = 6;
  entry.inner_protocol = 6;
  entry.inner_source_port = 443;
  entry.inner_source = abi::parse_ip("2001:db8::1")->bytes;
  admin::TraceRow row = trace_row(entry, 0, 0, "");
  EXPECT_EQ(row.inner_source, "[2001:db8::1]:443");
  EXPECT_EQ(row.protocol, "tcp");
  EXPECT_EQ(row.result, "taken");
  EXPECT_EQ(row.reason, "");
  EXPECT_EQ(row.to_session, 9u);
  EXPECT_EQ(row.direction, "to_client");
}

TEST(TraceRow, WhatIsNotKnownIsNull) {
  abi::TraceEntry entry{};
  entry.session.peer_id = entry.to.peer_id = abi::kNoPeerId;
  entry.count = 5;
  entry.step = {"elsewhere"};
  auto row = admin::to_json(trace_row(entry, 0, 0, ""));
  for (const char* name : {"direction", "session", "common_name", "outer_bytes", "inner_bytes", "remote",
                           "inner_source", "inner_destination", "protocol"})
    EXPECT_TRUE(row.at(name).is_null()) << name;
  EXPECT_EQ(row["reason"], "outer_too_short");
}

TEST(TableStream, HasItsHeadersOnceAndGrows) {
  TableStream table({{"a", "A", admin::Format::kPlain, admin::Shown::kAlways},
                     {"b", "B", admin::Format::kPlain, admin::Shown::kDetails},
                     {"c", "C", admin::Format::kPlain, admin::Shown::kAlways}});
  EXPECT_EQ(table.line({{"a", "x"}, {"b", 1}, {"c", "y"}}), "A  C\nx  y\n");
  EXPECT_EQ(table.line({{"a", "long"}, {"c", nullptr}}), "long  -\n");
  EXPECT_EQ(table.line({{"a", 7}, {"c", "y"}}), "   7  y\n");
}

}  // namespace
}  // namespace culvert::cli
