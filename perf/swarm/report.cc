#include "perf/swarm/report.h"

#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>

namespace culvert::swarm {
namespace {

using nlohmann::ordered_json;
using perf::Histogram;

double us(uint64_t ns) {
  return static_cast<double>(ns) / 1e3;
}

double per_second(uint64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

ordered_json json_of(const Account& account) {
  return {{"sent", account.sent},       {"received", account.received},   {"lost", account.lost()},
          {"doubled", account.doubled}, {"reordered", account.reordered}, {"damaged", account.damaged},
          {"forged", account.forged},   {"replayed", account.replayed}};
}

ordered_json json_of(const Histogram& ns) {
  return {{"count", ns.count()},    {"p50", us(ns.at(0.5))},    {"p90", us(ns.at(0.9))},
          {"p99", us(ns.at(0.99))}, {"p999", us(ns.at(0.999))}, {"max", us(ns.max())}};
}

ordered_json json_of(const PhaseResult& phase) {
  ordered_json row = {{"phase", to_text(phase.kind)},
                      {"seconds", phase.seconds},
                      {"in_gbps", phase.in_gbps},
                      {"out_gbps", phase.out_gbps},
                      {"in", json_of(phase.in)},
                      {"out", json_of(phase.out)},
                      {"echoes_sent", phase.echoes_sent},
                      {"rtt_us", json_of(phase.rtt_ns)},
                      {"server_us", json_of(phase.server_ns)},
                      {"cpu_seconds", phase.cpu_seconds},
                      {"cpu_cores", phase.seconds > 0 ? phase.cpu() / phase.seconds : 0},
                      {"gbit_per_cpu_second", phase.gbit_per_cpu_second()}};
  if (phase.storm)
    row["storm"] = {{"connected", phase.storm->connected},
                    {"failed", phase.storm->failed},
                    {"per_second", per_second(phase.storm->connected, phase.seconds)},
                    {"took_us", json_of(phase.storm->took_ns)},
                    {"error", phase.storm->error}};
  return row;
}

void write_account(std::ostream& out, const char* way, double gbps, const Account& account) {
  if (account.sent == 0) return;
  out << "  " << way << ": " << gbps << " Gb/s, " << account.received << " of " << account.sent << " packets, "
      << account.lost() << " lost, " << account.doubled << " doubled, " << account.reordered << " reordered, "
      << account.damaged << " damaged, " << account.forged << " forged, " << account.replayed << " replayed\n";
}

void write_times(std::ostream& out, const std::string& what, const Histogram& ns) {
  if (ns.count() == 0) return;
  out << "  " << what << ", µs: p50 " << us(ns.at(0.5)) << ", p90 " << us(ns.at(0.9)) << ", p99 " << us(ns.at(0.99))
      << ", p99.9 " << us(ns.at(0.999)) << ", max " << us(ns.max()) << "\n";
}

}  // namespace

std::string to_text(const Run& run) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(3);
  out << run.connect.clients << " clients over " << run.options.protocol << " connected in " << run.connect.seconds
      << " s (" << per_second(run.connect.clients, run.connect.seconds) << " per second)\n";
  write_times(out, "connecting", run.connect.took_ns);
  for (const PhaseResult& phase : run.phases) {
    out << to_text(phase.kind) << ", " << phase.seconds << " s, inner packets of " << run.options.size << " bytes\n";
    write_account(out, "in", phase.in_gbps, phase.in);
    write_account(out, "out", phase.out_gbps, phase.out);
    if (phase.echoes_sent > 0)
      out << "  echoes: " << phase.rtt_ns.count() << " of " << phase.echoes_sent << " came back\n";
    write_times(out, "round trip", phase.rtt_ns);
    write_times(out, "without the swarm's own waiting", phase.server_ns);
    if (phase.storm) {
      out << "  handshakes: " << per_second(phase.storm->connected, phase.seconds) << " per second, "
          << phase.storm->failed << " failed " << phase.storm->error << "\n";
      write_times(out, "connecting", phase.storm->took_ns);
    }
    if (phase.cpu_seconds.empty()) continue;
    out << "  server: " << phase.cpu() / phase.seconds << " cores (";
    for (size_t i = 0; i < phase.cpu_seconds.size(); ++i)
      out << (i == 0 ? "" : ", ") << "pid " << run.options.pids[i] << " " << phase.cpu_seconds[i] << " s";
    out << ")";
    if (phase.gbit_per_cpu_second() > 0) out << ", " << phase.gbit_per_cpu_second() << " Gb per CPU second";
    out << "\n";
  }
  return out.str();
}

std::string to_json(const Run& run) {
  ordered_json phases = ordered_json::array();
  for (const PhaseResult& phase : run.phases) phases.push_back(json_of(phase));
  ordered_json all = {{"clients", run.options.clients},
                      {"protocol", run.options.protocol},
                      {"size", run.options.size},
                      {"burst", run.options.burst},
                      {"window", run.options.window},
                      {"rate_mbps", run.options.rate},
                      {"pids", run.options.pids},
                      {"connect",
                       {{"seconds", run.connect.seconds},
                        {"per_second", per_second(run.connect.clients, run.connect.seconds)},
                        {"took_us", json_of(run.connect.took_ns)},
                        {"cpu_seconds", run.connect.cpu_seconds}}},
                      {"phases", phases}};
  return all.dump(2) + "\n";
}

}  // namespace culvert::swarm
