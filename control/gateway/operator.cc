#include "control/gateway/operator.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "control/admin/to_json.h"
#include "control/config/bit_rate.h"
#include "control/gateway/gateway.h"
#include "control/gateway/nic_rows.h"
#include "control/gateway/session_rows.h"

namespace culvert::gateway {

using io::admin_error;
using io::admin_ok;
using nlohmann::json;
using nlohmann::ordered_json;

namespace {

constexpr uint64_t kStuckAfterNs = 2'000'000'000;

uint64_t seconds_since(uint64_t then_ns) {
  uint64_t now_ns = io::to_ns(io::mono_now());
  return now_ns > then_ns ? (now_ns - then_ns) / 1'000'000'000 : 0;
}

uint64_t sum(const auto& values) {
  uint64_t total = 0;
  for (uint64_t value : values) total += value;
  return total;
}

/// Does `wanted` name this session in a way that is not its peer-id?
bool goes_by(const admin::SessionRow& row, const std::string& wanted) {
  std::string host = row.remote.substr(0, row.remote.rfind(':'));
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  return wanted == row.common_name || wanted == row.remote || wanted == host ||
         (!row.ip4.empty() && wanted == row.ip4) || (!row.ip6.empty() && wanted == row.ip6);
}

std::string limit_text(uint64_t bits) {
  return bits == 0 ? std::string("no limit") : "limit " + config::bit_rate_text(bits);
}

std::string by(const io::PeerCredentials& who) {
  return "by uid " + std::to_string(who.uid);
}

}  // namespace

ordered_json Operator::answer(const json& request, const io::PeerCredentials& who) {
  const std::string command = request.value("command", "");
  if (command == "status") return admin_ok(admin::to_json(status()));
  if (command == "reload") return reload(who);
  if (command == "handover") return admin_ok(admin::to_json(handover()));
  if (command == "renew-keys") return renew_keys();
  if (command == "leave") return leave(request, who);
  if (command == "ports") return admin_ok(admin::to_json(ports()));
  if (!gateway_.link_.mapping()) return admin_error("no dataplane yet: " + gateway_.state_text_);
  if (command == "sessions") return admin_ok(admin::to_json(sessions()));
  if (command == "session show") return session_show(request);
  if (command == "session kill") return session_kill(request, who);
  if (command == "session limit") return session_limit(request, who);
  if (command == "push-update") return push_update(request, who);
  if (command == "drops") return admin_ok(admin::to_json(drops(request.value("all", false))));
  if (command == "counters") return admin_ok(admin::to_json(counters()));
  if (command == "workers") return admin_ok(admin::to_json(workers()));
  if (command == "reload-crl") return reload_crl(who);
  return admin_error("unknown command \"" + io::printable(command.substr(0, 64)) +
                     "\": culvert and culvert-control are of different versions");
}

std::vector<abi::Tally> Operator::tallies() const {
  std::vector<abi::Tally> tallies;
  const abi::LinkView& view = gateway_.link_.mapping()->view();
  for (uint32_t worker = 0; worker < view.workers(); ++worker) tallies.push_back(view.worker(worker).counters.read());
  tallies.push_back(gateway_.control_tally());
  return tallies;
}

bool Operator::is_ready() const {
  return gateway_.link_.attached() && gateway_.ports_->open() && !gateway_.starting_;
}

admin::StatusRow Operator::status() const {
  admin::StatusRow row;
  row.ready = is_ready();
  row.state = gateway_.state_text_;
  row.version = CULVERT_VERSION;
  row.config = gateway_.configuration_.appliance.file;
  row.control_pid = getpid();
  row.control_uptime_s = seconds_since(io::to_ns(gateway_.started_));
  row.listening = gateway_.ports_->listening();
  row.tun = gateway_.ports_->tun();
  row.warnings = gateway_.present_concerns();
  const auto& mapping = gateway_.link_.mapping();
  if (!mapping) return row;
  if (gateway_.link_.attached()) {
    row.dataplane_pid = mapping->header().dataplane_pid;
    row.dataplane_uptime_s = seconds_since(mapping->header().started_mono_ns);
  }
  for (const auto& instance : gateway_.instances_) {
    size_t connected = 0;
    for (const openvpn::SessionInfo& session : instance->server->sessions()) connected += session.connected ? 1 : 0;
    row.sessions += connected;
    row.handshakes += instance->server->session_count() - std::min(connected, instance->server->session_count());
    row.max_sessions += instance->config.settings.max_clients;
    row.addresses_used += instance->addresses.taken();
    row.addresses += instance->addresses.capacity();
  }
  for (const abi::Tally& tally : tallies()) {
    row.rx_packets += tally.counters[static_cast<size_t>(abi::Counter::opened_packets)];
    row.tx_packets += tally.counters[static_cast<size_t>(abi::Counter::sealed_packets)];
    row.drops += sum(tally.drops);
  }
  return row;
}

std::vector<admin::SessionRow> Operator::sessions() const {
  std::vector<admin::SessionRow> rows;
  for (const auto& instance : gateway_.instances_)
    for (const openvpn::SessionInfo& session : instance->server->sessions())
      if (session.connected)
        rows.push_back(session_row(session, instance->config.file, gateway_.book_->find(session.session),
                                   gateway_.link_.mapping()->view()));
  std::ranges::sort(rows, {}, &admin::SessionRow::id);
  return rows;
}

std::vector<admin::DropRow> Operator::drops(bool all) const {
  std::vector<abi::Tally> parts = tallies();
  std::vector<admin::DropRow> rows;
  for (size_t i = 0; i < abi::kDropReasonCount; ++i) {
    uint64_t count = 0;
    for (const abi::Tally& tally : parts) count += tally.drops[i];
    if (count == 0 && !all) continue;
    const abi::DropInfo& info = abi::kDropInfo[i];
    rows.push_back({.name = std::string(info.name),
                    .side = info.side == abi::DropSide::kControl ? "control" : "dataplane",
                    .count = count,
                    .text = std::string(info.text)});
  }
  return rows;
}

std::vector<admin::CounterRow> Operator::counters() const {
  std::vector<abi::Tally> parts = tallies();
  std::vector<admin::CounterRow> rows;
  for (size_t i = 0; i < abi::kCounterCount; ++i) {
    uint64_t count = 0;
    for (const abi::Tally& tally : parts) count += tally.counters[i];
    const abi::CounterInfo& info = abi::kCounterInfo[i];
    rows.push_back({.name = std::string(info.name),
                    .side = info.side == abi::DropSide::kControl ? "control" : "dataplane",
                    .count = count,
                    .text = std::string(info.text)});
  }
  return rows;
}

std::vector<admin::PortRow> Operator::ports() const {
  std::vector<admin::PortRow> rows = gateway_.ports_->rows(UdpLosses::read());
  for (admin::PortRow& row : nic_rows(gateway_.configuration_.appliance.ports)) rows.push_back(std::move(row));
  return rows;
}

std::vector<admin::WorkerRow> Operator::workers() const {
  std::vector<admin::WorkerRow> rows;
  const abi::LinkView& view = gateway_.link_.mapping()->view();
  uint64_t now_ns = io::to_ns(io::mono_now());
  for (const auto& lane : gateway_.link_.lanes()) {
    abi::WorkerArea& area = view.worker(lane->worker());
    abi::Tally tally = area.counters.read();
    auto counter = [&tally](abi::Counter which) { return tally.counters[static_cast<size_t>(which)]; };
    uint64_t beat = area.heartbeat_ns.load(std::memory_order_relaxed);
    uint64_t silent = now_ns > beat ? now_ns - beat : 0;
    std::string state = "ok";
    if (!gateway_.link_.attached())
      state = "gone";
    else if (silent > kStuckAfterNs)
      state = "no sign of life for " + std::to_string(silent / 1'000'000'000) + " s";
    rows.push_back({.worker = lane->worker(),
                    .core = area.core.load(std::memory_order_relaxed),
                    .state = state,
                    .rx_packets = counter(abi::Counter::opened_packets),
                    .tx_packets = counter(abi::Counter::sealed_packets),
                    .polls = counter(abi::Counter::polls),
                    .idle_polls = counter(abi::Counter::idle_polls),
                    .sleeps = counter(abi::Counter::sleeps),
                    .naps = counter(abi::Counter::naps),
                    .commands = counter(abi::Counter::commands),
                    .commands_refused = counter(abi::Counter::commands_refused),
                    .commands_waiting = lane->backlog(),
                    .punted = counter(abi::Counter::punted_packets),
                    .drops = sum(tally.drops)});
  }
  return rows;
}

Result<admin::SessionRow> Operator::find(const std::string& wanted) const {
  std::vector<admin::SessionRow> rows = sessions();
  uint32_t id = 0;
  auto [end, error] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), id);
  bool number = !wanted.empty() && error == std::errc() && end == wanted.data() + wanted.size();
  std::vector<admin::SessionRow> found;
  for (const admin::SessionRow& row : rows)
    if ((number && row.id == id) || goes_by(row, wanted)) found.push_back(row);
  if (found.size() == 1) return found[0];
  if (found.empty())
    return Error{"no session \"" + wanted + "\": give an ID, a common name or an address of `culvert sessions`"};
  // The ID of one may be the name of another (username-as-common-name): then it is no way to say which.
  std::string ways;
  for (const admin::SessionRow& row : found)
    ways += (ways.empty() ? "" : ", ") + (number ? row.remote : std::to_string(row.id));
  return Error{"\"" + wanted + "\" names " + std::to_string(found.size()) + " sessions: give one of the " +
               (number ? "outer addresses " : "IDs ") + ways};
}

ordered_json Operator::session_show(const json& request) const {
  Result<admin::SessionRow> row = find(request.value("session", ""));
  return row ? admin_ok(admin::to_json(*row)) : admin_error(row.error());
}

ordered_json Operator::session_kill(const json& request, const io::PeerCredentials& who) {
  Result<admin::SessionRow> row = find(request.value("session", ""));
  if (!row) return admin_error(row.error());
  abi::SessionRef session{row->id, row->generation};
  BookEntry* entry = gateway_.book_->find(session);
  if (!entry) return admin_error("the session has just ended");
  auto goodbye = request.value("restart", false) ? openvpn::Goodbye::kRestart : openvpn::Goodbye::kHalt;
  size_t instance = entry->instance;
  uint32_t worker = entry->worker;
  gateway_.instances_[instance]->server->disconnect(session, goodbye, openvpn::EndReason::kKilled,
                                                    "uid " + std::to_string(who.uid), io::now());
  gateway_.carry_out(instance, worker);
  return admin_ok(admin::to_json(*row));
}

ordered_json Operator::session_limit(const json& request, const io::PeerCredentials& who) {
  Result<admin::SessionRow> row = find(request.value("session", ""));
  if (!row) return admin_error(row.error());
  abi::SessionLimit limit{request.value("in", row->limit_in.value_or(0)),
                          request.value("out", row->limit_out.value_or(0))};
  if (limit.from_client > abi::kMaxLimit || limit.to_client > abi::kMaxLimit)
    return admin_error("a limit may be at most " + std::to_string(abi::kMaxLimit) +
                       " bits per second: give a lower one, or lift it with `culvert session limit SESSION --none`");
  abi::SessionRef session{row->id, row->generation};
  BookEntry* entry = gateway_.book_->find(session);
  if (!entry || !gateway_.instances_[entry->instance]->server->limit(session, limit, io::now()))
    return admin_error("the session has just ended");
  gateway_.carry_out(entry->instance, entry->worker);
  io::log(io::LogLevel::kInfo, row->common_name + " (id " + std::to_string(row->id) +
                                   "): " + limit_text(limit.from_client) + " from the client, " +
                                   limit_text(limit.to_client) + " to it, asked " + by(who));
  row = find(std::to_string(row->id));
  return row ? admin_ok(admin::to_json(*row)) : admin_error(row.error());
}

ordered_json Operator::push_update(const json& request, const io::PeerCredentials& who) {
  auto changes = openvpn::parse_push_update(request.value("options", ""));
  if (!changes) return admin_error(changes.error());
  std::vector<abi::SessionRef> wanted;
  if (request.contains("session")) {
    Result<admin::SessionRow> row = find(request.value("session", ""));
    if (!row) return admin_error(row.error());
    wanted.push_back({row->id, row->generation});
  } else {
    for (const admin::SessionRow& row : sessions()) wanted.push_back({row.id, row.generation});
  }
  io::log(io::LogLevel::kInfo, "push-update, asked " + by(who));
  size_t told = gateway_.push_update(wanted, *changes);
  if (told == 0)
    return admin_error(wanted.empty()
                           ? "no client is connected"
                           : "no client was told: none of " + std::to_string(wanted.size()) +
                                 " announces PUSH_UPDATE, which came with OpenVPN 2.7; let them connect again "
                                 "with `culvert session kill --restart`");
  return admin_ok({{"told", told}, {"left_out", wanted.size() - told}});
}

ordered_json Operator::reload(const io::PeerCredentials& who) {
  io::log(io::LogLevel::kInfo, "reading the configuration again, asked " + by(who));
  Result<ReloadReport> report = gateway_.reload_and_log();
  return report ? admin_ok(report->to_json()) : admin_error(report.error());
}

ordered_json Operator::reload_crl(const io::PeerCredentials& who) {
  io::log(io::LogLevel::kInfo, "reading CRLs again, asked " + by(who));
  std::vector<std::string> errors = gateway_.refresh_crls(true);
  if (!errors.empty()) return admin_error(errors.front());
  return admin_ok({{"sessions", sessions().size()}});
}

}  // namespace culvert::gateway
