// What the gateway's lists say, as metrics of Prometheus (its text format, version 0.0.4): names, types, labels. Names
// stay; metrics are added, never renamed.
#pragma once

#include <prometheus/metric_family.h>

#include <nlohmann/json.hpp>
#include <vector>

namespace culvert::cli {

/// Control's answers to the commands of these names: objects and arrays of the rows in control/admin/rows.h.
struct GatewayRows {
  nlohmann::ordered_json status;
  nlohmann::ordered_json counters;
  nlohmann::ordered_json drops;  ///< with those that have not occurred: a rate needs the zero before the first
  nlohmann::ordered_json workers;
  nlohmann::ordered_json ports;
  nlohmann::ordered_json sessions;  ///< null: no metrics of single sessions
};

/// All metrics of a gateway that answers. What a row lacks, its metric lacks.
std::vector<prometheus::MetricFamily> metrics_of(const GatewayRows& rows);

/// Of one that doesn't: that it doesn't.
std::vector<prometheus::MetricFamily> metrics_of_no_gateway();

}  // namespace culvert::cli
