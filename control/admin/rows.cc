#include "control/admin/rows.h"

#include <time.h>

#include <array>

#include "control/admin/to_json.h"
#include "dataplane/abi/layout.h"

namespace culvert::admin {
namespace {

template <class Number>
ordered_json number_or_null(const std::optional<Number>& number) {
  return number ? ordered_json(*number) : ordered_json();
}

}  // namespace

std::string to_utc_text(std::chrono::sys_seconds time) {
  time_t seconds = time.time_since_epoch().count();
  tm parts{};
  if (!gmtime_r(&seconds, &parts)) return "?";
  std::array<char, 32> text{};
  strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

template <>
const std::vector<Field<StatusRow>>& fields<StatusRow>() {
  using Row = StatusRow;
  static const std::vector<Field<Row>> list = {
      {"ready", "ready", [](const Row& r) -> ordered_json { return r.ready; }},
      {"state", "state", [](const Row& r) -> ordered_json { return r.state; }},
      {"version", "version", [](const Row& r) -> ordered_json { return r.version; }},
      {"config", "config", [](const Row& r) -> ordered_json { return r.config; }},
      {"control_pid", "control pid", [](const Row& r) -> ordered_json { return r.control_pid; }},
      {"dataplane_pid", "dataplane pid", [](const Row& r) -> ordered_json { return r.dataplane_pid; }},
      {"control_uptime_s", "control up", [](const Row& r) -> ordered_json { return r.control_uptime_s; },
       Format::kSeconds},
      {"dataplane_uptime_s", "dataplane up", [](const Row& r) -> ordered_json { return r.dataplane_uptime_s; },
       Format::kSeconds},
      {"listening", "listening", [](const Row& r) -> ordered_json { return r.listening; }},
      {"tun", "tun", [](const Row& r) -> ordered_json { return text_or_null(r.tun); }},
      {"sessions", "sessions", [](const Row& r) -> ordered_json { return r.sessions; }},
      {"handshakes", "handshakes", [](const Row& r) -> ordered_json { return r.handshakes; }},
      {"max_sessions", "max sessions", [](const Row& r) -> ordered_json { return r.max_sessions; }},
      {"addresses_used", "addresses used", [](const Row& r) -> ordered_json { return r.addresses_used; }},
      {"addresses", "addresses", [](const Row& r) -> ordered_json { return r.addresses; }},
      {"rx_packets", "packets from clients", [](const Row& r) -> ordered_json { return r.rx_packets; }},
      {"tx_packets", "packets to clients", [](const Row& r) -> ordered_json { return r.tx_packets; }},
      {"drops", "packets dropped", [](const Row& r) -> ordered_json { return r.drops; }},
      {"warnings", "warnings", [](const Row& r) -> ordered_json { return r.warnings; }, Format::kLines},
  };
  return list;
}

template <>
const std::vector<Field<SessionRow>>& fields<SessionRow>() {
  using Row = SessionRow;
  constexpr Shown kDetails = Shown::kDetails;
  constexpr Shown kWide = Shown::kWide;
  constexpr Format kPlain = Format::kPlain;
  static const std::vector<Field<Row>> list = {
      {"id", "ID", [](const Row& r) -> ordered_json { return r.id; }},
      {"common_name", "COMMON NAME", [](const Row& r) -> ordered_json { return r.common_name; }},
      {"remote", "REMOTE", [](const Row& r) -> ordered_json { return r.remote; }},
      {"ip4", "IPV4", [](const Row& r) -> ordered_json { return text_or_null(r.ip4); }},
      {"ip6", "IPV6", [](const Row& r) -> ordered_json { return text_or_null(r.ip6); }, kPlain, kWide},
      {"cipher", "CIPHER", [](const Row& r) -> ordered_json { return r.cipher; }, kPlain, kWide},
      {"connected_since", "CONNECTED SINCE",
       [](const Row& r) -> ordered_json { return to_utc_text(r.connected_since); }, kPlain, kWide},
      {"connected_s", "CONNECTED FOR", [](const Row& r) -> ordered_json { return r.connected_s; }, Format::kSeconds,
       kDetails},
      {"rx_bytes", "RECEIVED", [](const Row& r) -> ordered_json { return r.rx_bytes; }, Format::kBytes},
      {"tx_bytes", "SENT", [](const Row& r) -> ordered_json { return r.tx_bytes; }, Format::kBytes},
      {"rx_packets", "PACKETS RECEIVED", [](const Row& r) -> ordered_json { return r.rx_packets; }, kPlain, kDetails},
      {"tx_packets", "PACKETS SENT", [](const Row& r) -> ordered_json { return r.tx_packets; }, kPlain, kDetails},
      {"drops", "PACKETS DROPPED", [](const Row& r) -> ordered_json { return r.drops; }, kPlain, kDetails},
      {"limit_in", "LIMIT IN", [](const Row& r) -> ordered_json { return number_or_null(r.limit_in); },
       Format::kBitRate, kDetails},
      {"limit_out", "LIMIT OUT", [](const Row& r) -> ordered_json { return number_or_null(r.limit_out); },
       Format::kBitRate, kDetails},
      {"last_seen_s", "LAST SEEN",
       [](const Row& r) -> ordered_json { return r.last_seen_s ? ordered_json(*r.last_seen_s) : ordered_json(); },
       Format::kSeconds, kWide},
      {"wrap", "WRAP", [](const Row& r) -> ordered_json { return r.wrap; }, kPlain, kWide},
      {"dynamic_wrap", "DYNAMIC WRAP", [](const Row& r) -> ordered_json { return r.dynamic_wrap; }, kPlain, kDetails},
      {"tls_version", "TLS", [](const Row& r) -> ordered_json { return text_or_null(r.tls_version); }, kPlain, kWide},
      {"tls_cipher", "TLS CIPHER", [](const Row& r) -> ordered_json { return text_or_null(r.tls_cipher); }, kPlain,
       kDetails},
      {"key_derivation", "KEY DERIVATION", [](const Row& r) -> ordered_json { return r.key_derivation; }, kPlain,
       kDetails},
      {"key_id", "KEY ID", [](const Row& r) -> ordered_json { return r.key_id; }, kPlain, kDetails},
      {"renegotiations", "RENEGOTIATIONS", [](const Row& r) -> ordered_json { return r.renegotiations; }, kPlain,
       kDetails},
      {"username", "USERNAME", [](const Row& r) -> ordered_json { return text_or_null(r.username); }, kPlain, kDetails},
      {"certificate_serial", "CERTIFICATE SERIAL",
       [](const Row& r) -> ordered_json { return text_or_null(r.certificate_serial); }, kPlain, kDetails},
      {"client_version", "CLIENT VERSION", [](const Row& r) -> ordered_json { return text_or_null(r.client_version); },
       kPlain, kDetails},
      {"platform", "PLATFORM", [](const Row& r) -> ordered_json { return text_or_null(r.platform); }, kPlain, kDetails},
      {"worker", "WORKER", [](const Row& r) -> ordered_json { return r.worker; }, kPlain, kDetails},
      {"generation", "GENERATION", [](const Row& r) -> ordered_json { return r.generation; }, kPlain, kDetails},
      {"server", "SERVER", [](const Row& r) -> ordered_json { return r.server; }, kPlain, kDetails},
  };
  return list;
}

template <>
const std::vector<Field<DropRow>>& fields<DropRow>() {
  using Row = DropRow;
  static const std::vector<Field<Row>> list = {
      {"name", "REASON", [](const Row& r) -> ordered_json { return r.name; }},
      {"count", "PACKETS", [](const Row& r) -> ordered_json { return r.count; }},
      {"side", "SIDE", [](const Row& r) -> ordered_json { return r.side; }},
      {"text", "WHAT IT MEANS", [](const Row& r) -> ordered_json { return r.text; }},
  };
  return list;
}

template <>
const std::vector<Field<CounterRow>>& fields<CounterRow>() {
  using Row = CounterRow;
  static const std::vector<Field<Row>> list = {
      {"name", "COUNTER", [](const Row& r) -> ordered_json { return r.name; }},
      {"count", "COUNT", [](const Row& r) -> ordered_json { return r.count; }},
      {"side", "SIDE", [](const Row& r) -> ordered_json { return r.side; }},
      {"text", "WHAT IT COUNTS", [](const Row& r) -> ordered_json { return r.text; }},
  };
  return list;
}

template <>
const std::vector<Field<WorkerRow>>& fields<WorkerRow>() {
  using Row = WorkerRow;
  static const std::vector<Field<Row>> list = {
      {"worker", "WORKER", [](const Row& r) -> ordered_json { return r.worker; }},
      {"core", "CORE",
       [](const Row& r) -> ordered_json {
         return r.core == abi::kAnyCore ? ordered_json("any") : ordered_json(r.core);
       }},
      {"state", "STATE", [](const Row& r) -> ordered_json { return r.state; }},
      {"rx_packets", "OPENED", [](const Row& r) -> ordered_json { return r.rx_packets; }},
      {"tx_packets", "SEALED", [](const Row& r) -> ordered_json { return r.tx_packets; }},
      {"punted", "PUNTED", [](const Row& r) -> ordered_json { return r.punted; }},
      {"drops", "DROPPED", [](const Row& r) -> ordered_json { return r.drops; }},
      {"polls", "POLLS", [](const Row& r) -> ordered_json { return r.polls; }, Format::kPlain, Shown::kWide},
      {"idle_polls", "IDLE POLLS", [](const Row& r) -> ordered_json { return r.idle_polls; }, Format::kPlain,
       Shown::kWide},
      {"sleeps", "SLEEPS", [](const Row& r) -> ordered_json { return r.sleeps; }, Format::kPlain, Shown::kWide},
      {"naps", "NAPS", [](const Row& r) -> ordered_json { return r.naps; }, Format::kPlain, Shown::kWide},
      {"commands", "COMMANDS", [](const Row& r) -> ordered_json { return r.commands; }, Format::kPlain, Shown::kWide},
      {"commands_refused", "REFUSED", [](const Row& r) -> ordered_json { return r.commands_refused; }},
      {"commands_waiting", "WAITING", [](const Row& r) -> ordered_json { return r.commands_waiting; }},
  };
  return list;
}

template <>
const std::vector<Field<PortRow>>& fields<PortRow>() {
  using Row = PortRow;
  static const std::vector<Field<Row>> list = {
      {"port", "PORT", [](const Row& r) -> ordered_json { return r.port; }},
      {"kind", "KIND", [](const Row& r) -> ordered_json { return r.kind; }},
      {"address", "ADDRESS", [](const Row& r) -> ordered_json { return r.address; }},
      {"state", "STATE", [](const Row& r) -> ordered_json { return r.state; }},
      {"server", "SERVER", [](const Row& r) -> ordered_json { return text_or_null(r.server); }},
      {"rx_missed", "MISSED", [](const Row& r) -> ordered_json { return number_or_null(r.rx_missed); }},
  };
  return list;
}

template <>
const std::vector<Field<ClientRow>>& fields<ClientRow>() {
  using Row = ClientRow;
  static const std::vector<Field<Row>> list = {
      {"name", "NAME", [](const Row& r) -> ordered_json { return r.name; }},
      {"state", "STATE", [](const Row& r) -> ordered_json { return r.state; }},
      {"expires", "EXPIRES", [](const Row& r) -> ordered_json { return to_utc_text(r.expires); }},
      {"created", "CREATED", [](const Row& r) -> ordered_json { return to_utc_text(r.created); }, Format::kPlain,
       Shown::kDetails},
      {"revoked", "REVOKED",
       [](const Row& r) -> ordered_json { return r.revoked ? ordered_json(to_utc_text(*r.revoked)) : ordered_json(); }},
      {"serial", "SERIAL", [](const Row& r) -> ordered_json { return r.serial; }, Format::kPlain, Shown::kDetails},
      {"profile", "PROFILE", [](const Row& r) -> ordered_json { return text_or_null(r.profile); }},
  };
  return list;
}

template <>
const std::vector<Field<TraceRow>>& fields<TraceRow>() {
  using Row = TraceRow;
  constexpr Shown kDetails = Shown::kDetails;
  static const std::vector<Field<Row>> list = {
      {"time", "TIME", [](const Row& r) -> ordered_json { return r.time; }},
      {"worker", "WORKER", [](const Row& r) -> ordered_json { return r.worker; }, Format::kPlain, kDetails},
      {"direction", "DIRECTION", [](const Row& r) -> ordered_json { return text_or_null(r.direction); }},
      {"session", "SESSION", [](const Row& r) -> ordered_json { return number_or_null(r.session); }},
      {"common_name", "NAME", [](const Row& r) -> ordered_json { return text_or_null(r.common_name); }},
      {"to_session", "TO SESSION", [](const Row& r) -> ordered_json { return number_or_null(r.to_session); },
       Format::kPlain, kDetails},
      {"step", "STEP", [](const Row& r) -> ordered_json { return r.step; }},
      {"result", "RESULT", [](const Row& r) -> ordered_json { return r.result; }},
      {"reason", "REASON", [](const Row& r) -> ordered_json { return text_or_null(r.reason); }},
      {"count", "PACKETS", [](const Row& r) -> ordered_json { return r.count; }, Format::kPlain, kDetails},
      {"outer_bytes", "OUTER", [](const Row& r) -> ordered_json { return number_or_null(r.outer_bytes); }},
      {"inner_bytes", "INNER", [](const Row& r) -> ordered_json { return number_or_null(r.inner_bytes); }},
      {"remote", "REMOTE", [](const Row& r) -> ordered_json { return text_or_null(r.remote); }},
      {"inner_source", "FROM", [](const Row& r) -> ordered_json { return text_or_null(r.inner_source); }},
      {"inner_destination", "TO", [](const Row& r) -> ordered_json { return text_or_null(r.inner_destination); }},
      {"protocol", "PROTOCOL", [](const Row& r) -> ordered_json { return text_or_null(r.protocol); }},
  };
  return list;
}

template <>
const std::vector<Field<CaptureRow>>& fields<CaptureRow>() {
  using Row = CaptureRow;
  static const std::vector<Field<Row>> list = {
      {"file", "file", [](const Row& r) -> ordered_json { return r.file; }},
      {"packets", "packets", [](const Row& r) -> ordered_json { return r.packets; }},
      {"bytes", "size", [](const Row& r) -> ordered_json { return r.bytes; }, Format::kBytes},
      {"skipped", "skipped", [](const Row& r) -> ordered_json { return r.skipped; }},
      {"lost", "lost", [](const Row& r) -> ordered_json { return r.lost; }},
      {"ended", "ended by", [](const Row& r) -> ordered_json { return r.ended; }},
  };
  return list;
}

}  // namespace culvert::admin
