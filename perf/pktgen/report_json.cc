#include <nlohmann/json.hpp>

#include "perf/pktgen/report.h"

namespace culvert::pktgen {
namespace {

using Json = nlohmann::ordered_json;

Json size_json(uint32_t size) {
  if (size == kImix) return "imix";
  return size;
}

Json to_json(const Found& found, uint32_t size) {
  return {{"mpps", found.rate / 1e6},
          {"gbps", gbps_of(found.rate, size)},
          {"loss", found.loss},
          {"lower_bound", found.is_lower_bound},
          {"trials", found.trials}};
}

Json to_json(const WayCounts& counts) {
  return {{"offered", counts.offered()}, {"refused_by_port", counts.refused}, {"received", counts.received},
          {"lost", counts.lost()},       {"reordered", counts.reordered},     {"doubled", counts.doubled},
          {"too_late", counts.too_late}, {"damaged", counts.damaged}};
}

Json latency_json(const Histogram& latency, bool whole) {
  Json made = {{"count", latency.count()},  {"min", latency.min()},   {"mean", latency.mean()},
               {"p50", latency.at(0.5)},    {"p90", latency.at(0.9)}, {"p99", latency.at(0.99)},
               {"p999", latency.at(0.999)}, {"max", latency.max()}};
  if (!whole) return made;
  Json buckets = Json::array();
  for (const Histogram::Bucket& bucket : latency.buckets()) buckets.push_back({bucket.from, bucket.to, bucket.count});
  made["buckets"] = std::move(buckets);
  return made;
}

Json to_json(const TrialResult& trial, bool whole) {
  return {{"asked_mpps", trial.settings.rate / 1e6},
          {"offered_mpps", trial.offered_rate() / 1e6},
          {"received_mpps", trial.received_rate() / 1e6},
          {"seconds", trial.seconds},
          {"loss", trial.counts.total().loss()},
          {"kept_pace", trial.kept_pace},
          {"decrypt", to_json(trial.counts.ways[static_cast<size_t>(Way::kIn)])},
          {"encrypt", to_json(trial.counts.ways[static_cast<size_t>(Way::kOut)])},
          {"leftovers", trial.counts.leftovers},
          {"foreign", trial.counts.foreign},
          {"longest_pause_ns", trial.longest_pause},
          {"latency_ns", latency_json(trial.counts.latency, whole)}};
}

Json to_json(const Case& each) {
  Json made = {{"direction", to_text(each.direction)}, {"size", size_json(each.size)}};
  if (each.ndr) made["ndr"] = to_json(*each.ndr, each.size);
  if (each.pdr) made["pdr"] = to_json(*each.pdr, each.size);
  if (each.fixed) made["fixed"] = to_json(*each.fixed, true);
  Json latency = Json::array();
  for (const LatencyRow& row : each.latency) {
    Json entry = to_json(row.trial, true);
    entry["percent_of_pdr"] = row.load;
    latency.push_back(std::move(entry));
  }
  if (!latency.empty()) made["latency"] = std::move(latency);
  Json trials = Json::array();
  for (const TrialResult& trial : each.trials) trials.push_back(to_json(trial, false));
  made["trials"] = std::move(trials);
  return made;
}

}  // namespace

std::string to_json(const std::vector<Case>& cases, const Setting& setting, const Options& options) {
  Json all = {{"culvert", CULVERT_VERSION},
              {"cipher", setting.cipher},
              {"generator_aead", setting.aead},
              {"loopback", options.loopback},
              {"outer", options.outer_device},
              {"inner", options.inner_device},
              {"clients", options.clients},
              {"flows", options.flows},
              {"udp_checksum", options.udp_checksum},
              {"trial_seconds", options.trial_seconds},
              {"tries", options.tries},
              {"resolution_percent", options.resolution_percent},
              {"pdr_loss_percent", options.loss_percent},
              {"handshake_seconds", setting.handshake_seconds}};
  Json list = Json::array();
  for (const Case& each : cases) list.push_back(to_json(each));
  all["cases"] = std::move(list);
  return all.dump(1) + "\n";
}

}  // namespace culvert::pktgen
