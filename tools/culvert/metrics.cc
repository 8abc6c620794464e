#include "tools/culvert/metrics.h"

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace culvert::cli {
namespace {

using nlohmann::ordered_json;
using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

MetricFamily family(const std::string& name, const std::string& help, MetricType type) {
  MetricFamily made;
  made.name = "culvert_" + name;
  made.help = help;
  made.type = type;
  return made;
}

void add_value(MetricFamily& to, Labels labels, double value) {
  ClientMetric metric;
  metric.label = std::move(labels);
  if (to.type == MetricType::Counter)
    metric.counter.value = value;
  else
    metric.gauge.value = value;
  to.metric.push_back(std::move(metric));
}

MetricFamily gauge(const std::string& name, const std::string& help, double value) {
  MetricFamily made = family(name, help, MetricType::Gauge);
  add_value(made, {}, value);
  return made;
}

std::string text(const ordered_json& row, const char* field) {
  auto found = row.find(field);
  if (found == row.end() || found->is_null()) return {};
  return found->is_string() ? found->get<std::string>() : found->dump();
}

/// A number of a row, or what is true of it as 1 or 0.
double number(const ordered_json& value) {
  return value.is_boolean() ? static_cast<double>(value.get<bool>()) : value.get<double>();
}

/// A field of rows that is a metric.
struct MetricColumn {
  const char* field;
  const char* metric;
  MetricType type;
  const char* help;
};

/// A family for each column, in which each row has a metric with its labels.
void add_columns(std::vector<MetricFamily>& families, const ordered_json& rows,
                 const std::vector<MetricColumn>& columns, Labels (*labels)(const ordered_json& row)) {
  for (const MetricColumn& column : columns) {
    MetricFamily made = family(column.metric, column.help, column.type);
    for (const ordered_json& row : rows)
      if (auto found = row.find(column.field); found != row.end() && (found->is_number() || found->is_boolean()))
        add_value(made, labels(row), number(*found));
    families.push_back(std::move(made));
  }
}

const std::vector<MetricColumn> kStatusColumns = {
    {"ready", "ready", MetricType::Gauge, "1: ready for clients"},
    {"sessions", "sessions", MetricType::Gauge, "clients that are connected"},
    {"max_sessions", "sessions_limit", MetricType::Gauge, "clients that may be connected"},
    {"handshakes", "handshakes", MetricType::Gauge, "handshakes that are not finished"},
    {"addresses_used", "pool_addresses_used", MetricType::Gauge, "addresses of the pools that are in use"},
    {"addresses", "pool_addresses", MetricType::Gauge, "addresses of the pools"},
};

const std::vector<MetricColumn> kWorkerColumns = {
    {"rx_packets", "worker_rx_packets_total", MetricType::Counter, "packets received by a worker"},
    {"tx_packets", "worker_tx_packets_total", MetricType::Counter, "packets sent by a worker"},
    {"polls", "worker_polls_total", MetricType::Counter, "passes of a worker's poll loop"},
    {"idle_polls", "worker_idle_polls_total", MetricType::Counter, "passes that found nothing to do"},
    {"sleeps", "worker_sleeps_total", MetricType::Counter, "times that a worker slept until woken"},
    {"naps", "worker_naps_total", MetricType::Counter, "times that a worker let packets gather"},
    {"commands", "worker_commands_total", MetricType::Counter, "commands of control carried out"},
    {"commands_refused", "worker_commands_refused_total", MetricType::Counter, "commands refused"},
    {"commands_waiting", "worker_commands_waiting", MetricType::Gauge, "commands in a worker's ring"},
    {"punted", "worker_punted_total", MetricType::Counter, "packets handed to control"},
    {"drops", "worker_drops_total", MetricType::Counter, "packets that did not go on, at a worker"},
};

const std::vector<MetricColumn> kSessionColumns = {
    {"rx_bytes", "session_rx_bytes_total", MetricType::Counter, "bytes from a client"},
    {"tx_bytes", "session_tx_bytes_total", MetricType::Counter, "bytes to a client"},
    {"rx_packets", "session_rx_packets_total", MetricType::Counter, "packets from a client"},
    {"tx_packets", "session_tx_packets_total", MetricType::Counter, "packets to a client"},
    {"drops", "session_drops_total", MetricType::Counter, "packets of a client that did not go on"},
    {"connected_s", "session_connected_seconds", MetricType::Gauge, "since a client has been connected"},
    {"last_seen_s", "session_last_seen_seconds", MetricType::Gauge, "since a client's last packet"},
    {"renegotiations", "session_renegotiations_total", MetricType::Counter, "new keys of a session"},
};

const std::vector<MetricColumn> kPortColumns = {
    {"rx_missed", "port_rx_missed_total", MetricType::Counter, "packets lost in front of a UDP listener"},
};

Labels worker_labels(const ordered_json& row) {
  return {{"worker", text(row, "worker")}, {"core", text(row, "core")}};
}
Labels session_labels(const ordered_json& row) {
  // With its generation, for an ID is used again.
  return {{"session", text(row, "id") + "." + text(row, "generation")},
          {"common_name", text(row, "common_name")},
          {"server", text(row, "server")}};
}
Labels no_labels(const ordered_json&) {
  return {};
}

void add_status_metrics(std::vector<MetricFamily>& families, const ordered_json& status) {
  MetricFamily build = family("build_info", "the version of control", MetricType::Gauge);
  add_value(build, {{"version", text(status, "version")}, {"config", text(status, "config")}}, 1);
  families.push_back(std::move(build));
  add_columns(families, ordered_json::array({status}), kStatusColumns, no_labels);
  auto warnings = status.find("warnings");
  if (warnings != status.end() && warnings->is_array())
    families.push_back(
        gauge("warnings", "what should be looked at: culvert status names it", static_cast<double>(warnings->size())));
  MetricFamily uptime = family("uptime_seconds", "since a process was started", MetricType::Gauge);
  for (const char* process : {"control", "dataplane"})
    if (auto found = status.find(std::string(process) + "_uptime_s"); found != status.end() && found->is_number())
      add_value(uptime, {{"process", process}}, number(*found));
  families.push_back(std::move(uptime));
}

/// Each counter is a metric of its own, named after it; its text is the help.
void add_counters(std::vector<MetricFamily>& families, const ordered_json& counters) {
  for (const ordered_json& row : counters) {
    MetricFamily made = family(text(row, "name") + "_total", text(row, "text"), MetricType::Counter);
    add_value(made, {}, row.value("count", 0.0));
    families.push_back(std::move(made));
  }
}

void add_drops(std::vector<MetricFamily>& families, const ordered_json& drops) {
  MetricFamily made =
      family("drops_total", "packets that did not go on; `culvert drops` explains the reasons", MetricType::Counter);
  for (const ordered_json& row : drops)
    add_value(made, {{"reason", text(row, "name")}, {"side", text(row, "side")}}, row.value("count", 0.0));
  families.push_back(std::move(made));
}

/// For each row 1 where its `state` is one of `well`, which else says what is wrong.
void add_states(std::vector<MetricFamily>& families, const ordered_json& rows, MetricFamily made,
                std::initializer_list<std::string_view> well, Labels (*labels)(const ordered_json& row)) {
  for (const ordered_json& row : rows)
    add_value(made, labels(row), std::ranges::find(well, text(row, "state")) != well.end() ? 1 : 0);
  families.push_back(std::move(made));
}

Labels port_labels(const ordered_json& row) {
  return {{"port", text(row, "port")},
          {"kind", text(row, "kind")},
          {"address", text(row, "address")},
          {"server", text(row, "server")}};
}

}  // namespace

std::vector<MetricFamily> metrics_of(const GatewayRows& rows) {
  std::vector<MetricFamily> families;
  families.push_back(gauge("up", "1: the gateway answers", 1));
  add_status_metrics(families, rows.status);
  add_drops(families, rows.drops);
  add_counters(families, rows.counters);
  add_states(families, rows.workers, family("worker_ok", "1: the worker moves", MetricType::Gauge), {"ok"},
             worker_labels);
  add_columns(families, rows.workers, kWorkerColumns, worker_labels);
  add_states(families, rows.ports, family("port_up", "1: the socket is open, the link up", MetricType::Gauge),
             {"open", "link up"}, port_labels);
  add_columns(families, rows.ports, kPortColumns, port_labels);
  if (!rows.sessions.is_null()) add_columns(families, rows.sessions, kSessionColumns, session_labels);
  std::erase_if(families, [](const MetricFamily& each) { return each.metric.empty(); });
  return families;
}

std::vector<MetricFamily> metrics_of_no_gateway() {
  return {gauge("up", "1: the gateway answers", 0)};
}

}  // namespace culvert::cli
