// The account of an upgrade: in words, and in JSON with fields that are always there.
#include "tools/culvert/upgrade_text.h"
#include "control/admin/to_json.h"

#include <gtest/gtest.h>

namespace culvert::cli {
namespace {

admin::UpgradeRow row() {
  admin::UpgradeRow row;
  row.control_before = "0.1.0";
  row.control_after = "0.2.0";
  row.control_replaced = true;
  row.control_pid_before = 12;
  row.control_pid_after = 34;
  row.sessions_left = row.sessions_kept = 7;
  row.leaving_ms = 240;
  row.control_away_ms = 61;
  return row;
}

TEST(UpgradeText, SaysWhatWasKeptAndHowLongItTook) {
  EXPECT_EQ(upgrade_text(row()),
            "control    0.1.0 → 0.2.0 (another build), pid 12 → 34\n"
            "sessions   7 of 7 kept\n"
            "middle     nothing was in the middle\n"
            "away       61 ms without control, after 240 ms of leaving; no packet waited for it\n");
}

TEST(UpgradeText, SaysWhatWasWaitedForAndWhatWasCutOff) {
  admin::UpgradeRow waited = row();
  waited.waited_for = {.handshakes = 2, .renegotiations = 1, .messages = 0, .scripts = 1};
  EXPECT_NE(upgrade_text(waited).find("middle     waited for 2 handshakes, 1 renegotiation, 1 script, all ended\n"),
            std::string::npos)
      << upgrade_text(waited);
  waited.cut_off.scripts = 1;
  EXPECT_NE(upgrade_text(waited).find("1 script, cut off: 1 script\n"), std::string::npos) << upgrade_text(waited);
}

TEST(UpgradeText, SaysThatTheDataplaneCouldFollow) {
  admin::UpgradeRow only = row();
  only.dataplane_replaced = true;
  EXPECT_TRUE(upgrade_text(only).starts_with("dataplane  goes on; another build of it is installed"))
      << upgrade_text(only);
  only.dataplane_replaced = false;
  EXPECT_EQ(upgrade_text(only), upgrade_text(row()));
}

TEST(UpgradeText, SaysWhatTheDataplaneCost) {
  admin::UpgradeRow both = row();
  both.dataplane_before = both.dataplane_after = "0.1.0";
  both.dataplane_replaced = false;
  both.no_traffic_ms = 130;
  both.tcp_sessions_ended = 1;
  both.waiting_for_new_keys = 2;
  EXPECT_EQ(
      upgrade_text(both).substr(0, upgrade_text(both).find("control  ")),
      "dataplane  0.1.0 → 0.1.0 (the same build): no traffic for at most 130 ms\n"
      "           1 session over TCP ended with it; their clients connect again\n"
      "           2 sessions without traffic until the next renegotiation: their clients had not answered control's "
      "last restart yet\n");
}

TEST(UpgradeRow, HasAllItsFieldsInJson) {
  nlohmann::ordered_json made = admin::to_json(row());
  EXPECT_EQ(made["sessions_kept"], 7);
  EXPECT_EQ(made["cut_off"]["handshakes"], 0);
  for (const char* name : {"dataplane_before", "dataplane_replaced", "no_traffic_ms", "tcp_sessions_ended"})
    EXPECT_TRUE(made.contains(name) && made[name].is_null()) << name;
}

}  // namespace
}  // namespace culvert::cli
