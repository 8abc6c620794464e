#include "tools/culvert/upgrade_text.h"

namespace culvert::cli {
namespace {

std::string versions(const std::string& before, const std::string& after, bool replaced) {
  return before + " → " + after + (replaced ? " (another build)" : " (the same build)");
}

std::string sessions_text(uint64_t count) {
  return std::to_string(count) + (count == 1 ? " session" : " sessions");
}

std::string dataplane_text(const admin::UpgradeRow& row) {
  std::string text = "dataplane  " +
                     versions(row.dataplane_before, row.dataplane_after, row.dataplane_replaced.value_or(false)) +
                     ": no traffic for at most " + std::to_string(*row.no_traffic_ms) + " ms\n";
  if (uint64_t ended = row.tcp_sessions_ended.value_or(0); ended > 0)
    text += "           " + sessions_text(ended) + " over TCP ended with it; their clients connect again\n";
  if (uint64_t waiting = row.waiting_for_new_keys.value_or(0); waiting > 0)
    text += "           " + sessions_text(waiting) +
            " without traffic until the next renegotiation: their clients had not "
            "answered control's last restart yet\n";
  return text;
}

}  // namespace

std::string upgrade_text(const admin::UpgradeRow& row) {
  std::string text;
  if (row.no_traffic_ms)
    text += dataplane_text(row);
  else if (row.dataplane_replaced.value_or(false))
    text +=
        "dataplane  goes on; another build of it is installed: `culvert upgrade --dataplane` puts that in its place\n";
  text += "control    " + versions(row.control_before, row.control_after, row.control_replaced) + ", pid " +
          std::to_string(row.control_pid_before) + " → " + std::to_string(row.control_pid_after) + "\n";
  text += "sessions   " + std::to_string(row.sessions_kept) + " of " + std::to_string(row.sessions_left) + " kept\n";
  const std::string waited = admin::to_text(row.waited_for);
  const std::string cut_off = admin::to_text(row.cut_off);
  text += "middle     " +
          (waited.empty() ? "nothing was in the middle"
                          : "waited for " + waited + ", " + (cut_off.empty() ? "all ended" : "cut off: " + cut_off)) +
          "\n";
  text += "away       " + std::to_string(row.control_away_ms) + " ms without control, after " +
          std::to_string(row.leaving_ms) + " ms of leaving; no packet waited for it\n";
  return text;
}

}  // namespace culvert::cli
