// What `culvert status`, `sessions`, `drops`, `counters`, `workers`, `ports`, `trace` and `capture` list. See rows.cc
// for names and headers.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "control/admin/field.h"

namespace culvert::admin {

struct StatusRow {
  bool ready = false;
  std::string state;  ///< "ready", or what it is waiting for
  std::string version;
  std::string config;
  int32_t control_pid = 0;
  int32_t dataplane_pid = 0;  ///< 0: no dataplane
  uint64_t control_uptime_s = 0;
  uint64_t dataplane_uptime_s = 0;
  std::vector<std::string> listening;  ///< "udp 0.0.0.0:1194"
  std::string tun;                     ///< "tun culvert0 10.8.0.1/24"
  uint64_t sessions = 0;               ///< connected
  uint64_t handshakes = 0;             ///< not finished yet
  uint64_t max_sessions = 0;
  uint64_t addresses_used = 0;
  uint64_t addresses = 0;
  uint64_t rx_packets = 0;  ///< opened
  uint64_t tx_packets = 0;  ///< sealed
  uint64_t drops = 0;
  std::vector<std::string> warnings;  ///< what should be looked at although it runs
};

struct SessionRow {
  uint32_t id = 0;  ///< peer-id
  std::string common_name;
  std::string remote;
  std::string ip4;  ///< empty: none
  std::string ip6;
  std::string cipher;
  std::chrono::sys_seconds connected_since{};
  uint64_t connected_s = 0;
  uint64_t rx_bytes = 0;  ///< from the client
  uint64_t tx_bytes = 0;
  uint64_t rx_packets = 0;
  uint64_t tx_packets = 0;
  uint64_t drops = 0;
  std::optional<uint64_t> limit_in;     ///< bits of inner packets per second, from the client; none: no limit
  std::optional<uint64_t> limit_out;    ///< likewise, to it
  std::optional<uint64_t> last_seen_s;  ///< seconds since its last packet
  std::string wrap;
  bool dynamic_wrap = false;  ///< renegotiations are wrapped with a key of this session (dyn-tls-crypt)
  std::string tls_version;
  std::string tls_cipher;
  std::string key_derivation;
  uint32_t key_id = 0;
  uint64_t renegotiations = 0;
  std::string username;
  std::string certificate_serial;
  std::string client_version;
  std::string platform;
  uint32_t worker = 0;
  uint32_t generation = 0;
  std::string server;  ///< its configuration file
};

struct DropRow {
  std::string name;
  std::string side;  ///< "dataplane" or "control"
  uint64_t count = 0;
  std::string text;
};

struct CounterRow {
  std::string name;
  std::string side;  ///< "dataplane" or "control"
  uint64_t count = 0;
  std::string text;
};

struct WorkerRow {
  uint32_t worker = 0;
  uint32_t core = 0;
  std::string state;  ///< "ok" or since when it has not moved
  uint64_t rx_packets = 0;
  uint64_t tx_packets = 0;
  uint64_t polls = 0;
  uint64_t idle_polls = 0;
  uint64_t sleeps = 0;
  uint64_t naps = 0;
  uint64_t commands = 0;
  uint64_t commands_refused = 0;
  uint64_t commands_waiting = 0;
  uint64_t punted = 0;
  uint64_t drops = 0;
};

struct PortRow {
  uint32_t port = 0;
  std::string kind;  ///< "udp", "tcp", "tun", "nic"
  std::string address;
  std::string state;  ///< "open", or the error
  std::string server;
  std::optional<uint64_t> rx_missed;  ///< packets lost in front of it since it was opened; none: not known
};

/// One row of `culvert client list`.
struct ClientRow {
  std::string name;
  std::string state;
  std::string serial;
  std::chrono::sys_seconds created{};
  std::chrono::sys_seconds expires{};
  std::optional<std::chrono::sys_seconds> revoked;
  std::string profile;
};

/// One line of `culvert trace`: what became of a packet, or of several drops that no step saw.
struct TraceRow {
  std::string time;  ///< UTC, microseconds
  uint32_t worker = 0;
  std::string direction;                ///< "from_client", "to_client", or empty: not known
  std::optional<uint32_t> session;      ///< peer-id; none: no session was found
  std::string common_name;              ///< empty: not known
  std::optional<uint32_t> to_session;   ///< the other client, of a packet between two
  std::string step;                     ///< the one that ended the packet's way; "elsewhere": none of them
  std::string result;                   ///< "taken" or "dropped"
  std::string reason;                   ///< of the drop, as in `culvert drops`; empty: not dropped
  uint64_t count = 1;                   ///< packets
  std::optional<uint32_t> outer_bytes;  ///< of the tunnel packet, without IP and UDP headers
  std::optional<uint32_t> inner_bytes;
  std::string remote;        ///< empty: not known
  std::string inner_source;  ///< with port, where there is one; empty: not known, or no IP packet
  std::string inner_destination;
  std::string protocol;  ///< "tcp", "udp", "icmp", "icmpv6", or its number
};

/// What `culvert capture` has written.
struct CaptureRow {
  std::string file;
  uint64_t packets = 0;
  uint64_t bytes = 0;    ///< of the file
  uint64_t skipped = 0;  ///< no IP packet, or nothing known of where it came from
  uint64_t lost = 0;     ///< the ring was full: the file's disk or reader did not keep up
  std::string ended;     ///< why: "count", "bytes", "seconds", "signal"
};

template <>
const std::vector<Field<StatusRow>>& fields<StatusRow>();
template <>
const std::vector<Field<SessionRow>>& fields<SessionRow>();
template <>
const std::vector<Field<DropRow>>& fields<DropRow>();
template <>
const std::vector<Field<CounterRow>>& fields<CounterRow>();
template <>
const std::vector<Field<WorkerRow>>& fields<WorkerRow>();
template <>
const std::vector<Field<PortRow>>& fields<PortRow>();
template <>
const std::vector<Field<ClientRow>>& fields<ClientRow>();
template <>
const std::vector<Field<TraceRow>>& fields<TraceRow>();
template <>
const std::vector<Field<CaptureRow>>& fields<CaptureRow>();

/// "2026-01-31T12:00:00Z"
std::string to_utc_text(std::chrono::sys_seconds time);

}  // namespace culvert::admin
