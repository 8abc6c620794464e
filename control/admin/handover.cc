#include "control/admin/handover.h"

#include <utility>

#include "control/admin/to_json.h"

namespace culvert::admin {
namespace {

template <class Value>
ordered_json value_or_null(const std::optional<Value>& value) {
  return value ? ordered_json(*value) : ordered_json();
}

ordered_json to_json(const Unfinished& unfinished) {
  return {{"handshakes", unfinished.handshakes},
          {"renegotiations", unfinished.renegotiations},
          {"messages", unfinished.messages},
          {"scripts", unfinished.scripts}};
}

}  // namespace

std::string to_text(const Unfinished& unfinished) {
  std::string text;
  for (auto [count, what] :
       {std::pair{unfinished.handshakes, "handshake"}, std::pair{unfinished.renegotiations, "renegotiation"},
        std::pair{unfinished.messages, "message"}, std::pair{unfinished.scripts, "script"}}) {
    if (count == 0) continue;
    text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + what + (count == 1 ? "" : "s");
  }
  return text;
}

template <>
const std::vector<Field<HandoverRow>>& fields<HandoverRow>() {
  using Row = HandoverRow;
  static const std::vector<Field<Row>> list = {
      {"control_pid", "control pid", [](const Row& r) -> ordered_json { return r.control_pid; }},
      {"version", "version", [](const Row& r) -> ordered_json { return r.version; }},
      {"link_version", "link version", [](const Row& r) -> ordered_json { return r.link_version; }},
      {"keeper", "kept running by", [](const Row& r) { return text_or_null(r.keeper); }},
      {"ready", "ready", [](const Row& r) -> ordered_json { return r.ready; }},
      {"state", "state", [](const Row& r) -> ordered_json { return r.state; }},
      {"dataplane_pid", "dataplane pid", [](const Row& r) -> ordered_json { return r.dataplane_pid; }},
      {"dataplane_version", "dataplane version", [](const Row& r) { return text_or_null(r.dataplane_version); }},
      {"sessions", "sessions", [](const Row& r) -> ordered_json { return r.sessions; }},
      {"sessions_over_tcp", "over TCP", [](const Row& r) -> ordered_json { return r.sessions_over_tcp; }},
      {"without_keys", "without keys", [](const Row& r) -> ordered_json { return r.without_keys; }},
      {"took_over", "took over", [](const Row& r) -> ordered_json { return r.took_over; }},
      {"gave_up", "gave up", [](const Row& r) -> ordered_json { return r.gave_up; }},
      {"leaves_within_ms", "leaves within ms", [](const Row& r) { return value_or_null(r.leaves_within_ms); }},
      {"unfinished", "unfinished", [](const Row& r) { return to_json(r.unfinished); }},
      {"waited_for", "waited for", [](const Row& r) { return to_json(r.waited_for); }},
  };
  return list;
}

template <>
const std::vector<Field<UpgradeRow>>& fields<UpgradeRow>() {
  using Row = UpgradeRow;
  static const std::vector<Field<Row>> list = {
      {"control_before", "control before", [](const Row& r) -> ordered_json { return r.control_before; }},
      {"control_after", "control after", [](const Row& r) -> ordered_json { return r.control_after; }},
      {"control_replaced", "another build", [](const Row& r) -> ordered_json { return r.control_replaced; }},
      {"control_pid_before", "pid before", [](const Row& r) -> ordered_json { return r.control_pid_before; }},
      {"control_pid_after", "pid after", [](const Row& r) -> ordered_json { return r.control_pid_after; }},
      {"sessions_left", "sessions left", [](const Row& r) -> ordered_json { return r.sessions_left; }},
      {"sessions_kept", "sessions kept", [](const Row& r) -> ordered_json { return r.sessions_kept; }},
      {"waited_for", "waited for", [](const Row& r) { return to_json(r.waited_for); }},
      {"cut_off", "cut off", [](const Row& r) { return to_json(r.cut_off); }},
      {"leaving_ms", "leaving ms", [](const Row& r) -> ordered_json { return r.leaving_ms; }},
      {"control_away_ms", "away ms", [](const Row& r) -> ordered_json { return r.control_away_ms; }},
      {"dataplane_before", "dataplane before", [](const Row& r) { return text_or_null(r.dataplane_before); }},
      {"dataplane_after", "dataplane after", [](const Row& r) { return text_or_null(r.dataplane_after); }},
      {"dataplane_replaced", "another build", [](const Row& r) { return value_or_null(r.dataplane_replaced); }},
      {"no_traffic_ms", "no traffic ms", [](const Row& r) { return value_or_null(r.no_traffic_ms); }},
      {"tcp_sessions_ended", "TCP sessions ended", [](const Row& r) { return value_or_null(r.tcp_sessions_ended); }},
      {"waiting_for_new_keys", "waiting for keys", [](const Row& r) { return value_or_null(r.waiting_for_new_keys); }},
  };
  return list;
}

}  // namespace culvert::admin
