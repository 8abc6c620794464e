#include "tools/culvert/trace_rows.h"

#include <chrono>

#include "control/io/clock.h"
#include "dataplane/abi/endpoint_text.h"
#include "dataplane/wire/udp.h"
#include "tools/culvert/admin_client.h"

namespace culvert::cli {
namespace {

std::string time_text(uint64_t wall_ns) {
  std::chrono::sys_seconds seconds(std::chrono::seconds(wall_ns / 1'000'000'000));
  std::string micros = std::to_string(wall_ns % 1'000'000'000 / 1000);
  std::string text = admin::to_utc_text(seconds);
  text.pop_back();  // Z
  return text + "." + std::string(6 - micros.size(), '0') + micros + "Z";
}

std::string inner_text(const abi::TraceEntry& entry, const std::array<uint8_t, 16>& address, uint16_t port) {
  if (entry.inner_version == 0) return "";
  abi::IpAddress ip;
  ip.bytes = address;
  ip.family = entry.inner_version == 4 ? abi::Family::kIpv4 : abi::Family::kIpv6;
  if (port == 0) return abi::to_text(ip);
  abi::Endpoint endpoint;
  endpoint.address = ip;
  endpoint.port = port;
  return abi::to_text(endpoint);
}

std::string protocol_text(const abi::TraceEntry& entry) {
  if (entry.inner_version == 0) return "";
  switch (entry.inner_protocol) {
    case wire::kProtocolTcp:
      return "tcp";
    case wire::kProtocolUdp:
      return "udp";
    case wire::kProtocolIcmp:
      return "icmp";
    case wire::kProtocolIcmpv6:
      return "icmpv6";
    default:
      return std::to_string(entry.inner_protocol);
  }
}

std::optional<uint32_t> peer_id(const abi::SessionRef& session) {
  return session.peer_id == abi::kNoPeerId ? std::nullopt : std::optional(session.peer_id);
}

std::optional<uint32_t> unless_zero(uint32_t number) {
  return number == 0 ? std::nullopt : std::optional(number);
}

}  // namespace

admin::TraceRow trace_row(const abi::TraceEntry& entry, uint32_t worker, uint64_t wall_ns, const std::string& name) {
  admin::TraceRow row;
  row.time = time_text(wall_ns);
  row.worker = worker;
  if (entry.direction != 0)
    row.direction = entry.direction == abi::trace_direction::kFromClient ? "from_client" : "to_client";
  row.session = peer_id(entry.session);
  row.common_name = name;
  row.to_session = peer_id(entry.to);
  row.step = entry.step.data();
  bool dropped = entry.reason != abi::kNoDropReason;
  row.result = dropped ? "dropped" : "taken";
  if (dropped) row.reason = abi::kDropInfo[entry.reason].name;
  row.count = entry.count;
  row.outer_bytes = unless_zero(entry.outer_length);
  row.inner_bytes = unless_zero(entry.inner_length);
  if (entry.remote.address.family != abi::Family::kNone) row.remote = abi::to_text(entry.remote);
  row.inner_source = inner_text(entry, entry.inner_source, entry.inner_source_port);
  row.inner_destination = inner_text(entry, entry.inner_destination, entry.inner_destination_port);
  row.protocol = protocol_text(entry);
  return row;
}

std::string SessionNames::of(const abi::SessionRef& session) {
  if (session.peer_id == abi::kNoPeerId) return "";
  auto known = names_.find(session);
  if (known != names_.end()) return known->second;
  names_[session] = "";  // asked once, whatever comes of it
  constexpr auto kPatience = std::chrono::milliseconds(500);
  if (auto rows = ask(run_dir_, {{"command", "sessions"}}, kPatience); rows && rows->is_array())
    for (const auto& row : *rows)
      names_[{row.value("id", abi::kNoPeerId), row.value("generation", 0u)}] = row.value("common_name", "");
  return names_[session];
}

uint64_t wall_offset_ns() {
  timespec wall{};
  clock_gettime(CLOCK_REALTIME, &wall);
  uint64_t since_1970 = static_cast<uint64_t>(wall.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(wall.tv_nsec);
  return since_1970 - io::to_ns(io::mono_now());
}

}  // namespace culvert::cli
