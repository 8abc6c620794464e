// The three forms of `status`, by position: that is how programs read them.
#include "control/management/status_text.h"

#include <gtest/gtest.h>

#include <stdlib.h>
#include <time.h>
#include <algorithm>

#include "tests/unit/management/daemon_double.h"

namespace culvert::management {
namespace {

std::vector<std::string> split(const std::string& line, char separator) {
  std::vector<std::string> fields(1);
  for (char c : line) {
    if (c == separator)
      fields.emplace_back();
    else
      fields.back() += c;
  }
  return fields;
}

std::vector<std::string> lines_of(int version) {
  setenv("TZ", "UTC", 1);
  tzset();
  return status_lines("culvert test", DaemonDouble().all, version,
                      std::chrono::sys_seconds(std::chrono::seconds(1061)));
}

TEST(StatusText, Version1) {
  EXPECT_EQ(lines_of(1), (std::vector<std::string>{
                             "OpenVPN CLIENT LIST",
                             "Updated,1970-01-01 00:17:41",
                             "Common Name,Real Address,Bytes Received,Bytes Sent,Connected Since",
                             "alice,192.0.2.7:51820,100,7,1970-01-01 00:16:40",
                             "bob,2001:db8::7,200,7,1970-01-01 00:16:40",
                             "ROUTING TABLE",
                             "Virtual Address,Common Name,Real Address,Last Ref",
                             "10.8.0.2,alice,192.0.2.7:51820,1970-01-01 00:17:40",
                             "fd00::3,bob,2001:db8::7,1970-01-01 00:17:40",
                             "GLOBAL STATS",
                             "Max bcast/mcast queue length,0",
                             "END",
                         }));
}

TEST(StatusText, Version2) {
  EXPECT_EQ(lines_of(2),
            (std::vector<std::string>{
                "TITLE,culvert test",
                "TIME,1970-01-01 00:17:41,1061",
                "HEADER,CLIENT_LIST,Common Name,Real Address,Virtual Address,Virtual IPv6 Address,Bytes Received,Bytes "
                "Sent,Connected Since,Connected Since (time_t),Username,Client ID,Peer ID,Data Channel Cipher",
                "CLIENT_LIST,alice,192.0.2.7:51820,10.8.0.2,,100,7,1970-01-01 00:16:40,1000,UNDEF,0,10,AES-256-GCM",
                "CLIENT_LIST,bob,2001:db8::7,,fd00::3,200,7,1970-01-01 00:16:40,1000,UNDEF,1,11,AES-256-GCM",
                "HEADER,ROUTING_TABLE,Virtual Address,Common Name,Real Address,Last Ref,Last Ref (time_t)",
                "ROUTING_TABLE,10.8.0.2,alice,192.0.2.7:51820,1970-01-01 00:17:40,1060",
                "ROUTING_TABLE,fd00::3,bob,2001:db8::7,1970-01-01 00:17:40,1060",
                "GLOBAL_STATS,Max bcast/mcast queue length,0",
                "GLOBAL_STATS,dco_enabled,0",
                "END",
            }));
}

TEST(StatusText, Version3IsVersion2WithTabs) {
  std::vector<std::string> commas = lines_of(2);
  std::vector<std::string> tabs = lines_of(3);
  ASSERT_EQ(commas.size(), tabs.size());
  for (size_t i = 0; i < commas.size(); ++i) EXPECT_EQ(split(commas[i], ','), split(tabs[i], '\t'));
}

TEST(StatusText, NetworksBehindAClientAreRoutes) {
  Client router = client(0, "router", "192.0.2.1", 1, "10.8.0.2");
  router.networks = {{*abi::parse_ip("10.98.0.0"), 16}, {*abi::parse_ip("fd98::"), 48}};
  std::vector<std::string> lines = status_lines("t", {router}, 2, {});
  EXPECT_EQ(std::ranges::count(lines, "ROUTING_TABLE,10.98.0.0/16,router,192.0.2.1:1,1970-01-01 00:17:40,1060"), 1);
  EXPECT_EQ(std::ranges::count(lines, "ROUTING_TABLE,fd98::/48,router,192.0.2.1:1,1970-01-01 00:17:40,1060"), 1);
  EXPECT_EQ(std::ranges::count(status_lines("t", {router}, 1, {}), "fd98::/48,router,192.0.2.1:1,1970-01-01 00:17:40"),
            1);
}

TEST(StatusText, NoOtherVersion) {
  EXPECT_EQ(lines_of(4), std::vector<std::string>{"ERROR: bad status format version number"});
  EXPECT_EQ(lines_of(-1), std::vector<std::string>{"ERROR: bad status format version number"});
}

TEST(StatusText, NamesCanNotBreakLines) {
  Client evil = client(0, "a\nEND\tb", "192.0.2.1", 1, "10.8.0.2");
  for (int version : {1, 2, 3})
    for (const std::string& line : status_lines("t", {evil}, version, {}))
      EXPECT_EQ(line.find('\n'), std::string::npos) << line;
  EXPECT_EQ(one_field("a\nEND\tb"), "a_END_b");
}

}  // namespace
}  // namespace culvert::management
