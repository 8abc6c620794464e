// Timing the passes of a case, and the figures that come of it.
#pragma once

#include <rte_mempool.h>

#include <string>
#include <vector>

#include "dataplane/abi/result.h"
#include "perf/bench_path/bench.h"

namespace culvert::perf {

/// Cycles (of the time-stamp counter) per packet, or a ratio of them.
struct Figure {
  double median = 0;
  double spread = 0;  ///< half the distance between the quartiles
};

/// Median and spread of `samples`, at least one.
Figure figure_of(std::vector<double> samples);
/// Sends the prepared packets through the gateway's whole path, and flushes after each burst. Cycles per packet:
/// the median of pieces of `piece` packets.
double time_pass(Traffic& traffic, Gateway& gateway, Direction direction, uint32_t burst, size_t piece);
inline constexpr size_t kPiece = 256;
/// Sends each session its first packets, and takes the events that they make. A key's first packet costs more than all
/// that follow (control is told, packet-ids are reserved), and of many sessions most would come in the measured part.
/// Error: a packet came out wrong.
Status start_sessions(const Case& what, Kind kind, Traffic& traffic, Gateway& gateway, uint32_t burst);
/// Cycles per packet of `engine` alone on the prepared jobs (Kind::kRaw), likewise.
double time_engine(Traffic& traffic, aead::Engine& engine, Direction direction, uint32_t burst);

struct Row {
  Case what;
  uint32_t burst;
  Figure raw, path_only, whole;
  double ratio =
      0;  ///< throughput of the whole path ÷ that of the AEAD alone: median of raw ÷ whole cycles, pass by pass
};

/// Measures one case with `mbufs` as its packets: `raw` is the AEAD alone that the path, which uses `engine`, is
/// compared with. Error: a packet came out wrong.
Result<Row> measure(const Case& what, const Options& options, aead::Engine& raw, aead::Engine& engine,
                    rte_mempool* pool, const std::vector<rte_mbuf*>& mbufs);

/// Direction, cipher, size, sessions: the first columns of a line.
std::string case_columns(const Case& what);
void print_table_head(double cycles_per_ns);
void print_table_row(const Row& row, double cycles_per_ns);
std::string to_json(const std::vector<Row>& rows, Order order, double cycles_per_ns);

}  // namespace culvert::perf
