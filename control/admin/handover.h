// What `culvert upgrade` and the control that it asks tell each other, and the account that it gives at the end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "control/admin/field.h"

namespace culvert::admin {

/// What an end of control would cut off.
struct Unfinished {
  uint64_t handshakes = 0;      ///< clients that are not connected yet
  uint64_t renegotiations = 0;  ///< connected ones that exchange keys
  uint64_t messages = 0;        ///< sessions whose clients have not acknowledged all that they were told
  uint64_t scripts = 0;         ///< that run, or wait for their turn

  friend bool operator==(const Unfinished&, const Unfinished&) = default;
};

/// "1 handshake, 2 renegotiations"; empty: nothing.
std::string to_text(const Unfinished& unfinished);

/// Answer to `handover`: what is to be known of a control that may leave its sessions to another one.
struct HandoverRow {
  int32_t control_pid = 0;
  std::string version;
  uint32_t link_version = 0;  ///< abi::kAbiVersion; the dataplane's is the same
  std::string keeper;         ///< who starts the next control: "culvert up", "systemd"; empty: nobody that is known
  bool ready = false;
  std::string state;
  int32_t dataplane_pid = 0;  ///< 0: no dataplane
  std::string dataplane_version;
  uint64_t sessions = 0;                     ///< connected
  uint64_t sessions_over_tcp = 0;            ///< of these
  uint64_t without_keys = 0;                 ///< of these: only the dataplane has a key that they may send with
  uint64_t took_over = 0;                    ///< sessions of the control before, at the start
  uint64_t gave_up = 0;                      ///< likewise: those that the configuration has no place for
  std::optional<uint64_t> leaves_within_ms;  ///< it is leaving: how long it still waits at most
  Unfinished unfinished{};                   ///< now
  Unfinished waited_for{};                   ///< since it began to leave, the most of each at a time
};

/// What `culvert upgrade` has done.
struct UpgradeRow {
  std::string control_before;  ///< version
  std::string control_after;
  bool control_replaced = false;  ///< the program on disk is another one than the one that ran
  int32_t control_pid_before = 0;
  int32_t control_pid_after = 0;
  uint64_t sessions_left = 0;
  uint64_t sessions_kept = 0;
  Unfinished waited_for{};
  Unfinished cut_off{};
  uint64_t leaving_ms = 0;                 ///< from the question to the old control's end
  uint64_t control_away_ms = 0;            ///< from there until the next one was ready
  std::optional<bool> dataplane_replaced;  ///< likewise; unset: that can't be seen
  // Only with --dataplane:
  std::string dataplane_before;
  std::string dataplane_after;
  std::optional<uint64_t> no_traffic_ms;         ///< at most
  std::optional<uint64_t> tcp_sessions_ended;    ///< connections are the dataplane's; clients connect again
  std::optional<uint64_t> waiting_for_new_keys;  ///< sessions without traffic until they have renegotiated
};

template <>
const std::vector<Field<HandoverRow>>& fields<HandoverRow>();
template <>
const std::vector<Field<UpgradeRow>>& fields<UpgradeRow>();

}  // namespace culvert::admin
