#include "perf/bench_path/trace_cost.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "dataplane/steps/trace.h"

namespace culvert::perf {
namespace {

constexpr std::array kNames = {"nobody", "drops", "every_1000th", "all", "all_with_bytes"};
constexpr uint32_t kSnap = 1536;
constexpr size_t kTracedPiece = 2048;  // each with a 1,000th packet: the median must not leave out what it costs

/// A trace with its reader, in this process. The ring holds all packets of a pass: it is emptied between two.
class Watcher {
 public:
  Watcher(Watch watch, size_t packets)
      : shape_{1, static_cast<uint32_t>(packets),
               static_cast<uint32_t>(sizeof(abi::TraceEntry)) + (watch == Watch::kAllBytes ? kSnap : 0)},
        ring_(shape_.total_size()),
        scratch_(64 * size_t{kSnap}),
        reader_(static_cast<std::byte*>(ring_.get()), shape_),
        buffer_(kSnap) {
    plan_.what = {};
    plan_.what.directions = abi::trace_direction::kBoth;
    plan_.what.every = watch == Watch::kEveryThousand ? 1000 : 1;
    plan_.what.drops_only = watch == Watch::kDrops ? 1 : 0;
    plan_.what.reason = abi::kNoDropReason;
    plan_.what.session.peer_id = abi::kNoPeerId;
    plan_.what.content = watch == Watch::kAllBytes ? abi::PacketContent::kInner : abi::PacketContent::kNone;
    plan_.what.snap = watch == Watch::kAllBytes ? kSnap : 0;
    plan_.ring = abi::TraceWriter(static_cast<std::byte*>(ring_.get()), shape_);
    plan_.scratch = scratch_;
  }
  steps::TracePlan* plan() { return &plan_; }
  /// Takes all entries; how many there were.
  size_t empty() {
    abi::TraceEntry entry;
    std::span<const uint8_t> bytes;
    size_t count = 0;
    while (reader_.read(entry, buffer_, bytes) == abi::TraceReader::Status::kEntry) ++count;
    return count;
  }

 private:
  abi::TraceShape shape_;
  Pages ring_;
  std::vector<uint8_t> scratch_;
  steps::TracePlan plan_{};
  abi::TraceReader reader_;
  std::vector<uint8_t> buffer_;
};

bool is_expected(Watch watch, size_t entries, size_t packets) {
  switch (watch) {
    case Watch::kNothing:
    case Watch::kDrops:
      return entries == 0;
    case Watch::kEveryThousand:
      return entries >= packets / 1000 && entries <= packets / 1000 + 1;
    case Watch::kAll:
    case Watch::kAllBytes:
      return entries == packets;
  }
  return false;
}

}  // namespace

Result<TraceCost> measure_tracing(const Case& what, const Options& options, aead::Engine& engine, rte_mempool* pool,
                                  const std::vector<rte_mbuf*>& mbufs) {
  Gateway gateway(what, engine, pool, mbufs.size());
  Traffic traffic(what, engine, mbufs);
  if (auto started = start_sessions(what, Kind::kWhole, traffic, gateway, options.burst); !started)
    return Error{started.error()};
  steps::TraceMailbox mailbox;
  gateway.path->follow_traces(&mailbox);
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (Watch watch : kWatches) watchers.push_back(std::make_unique<Watcher>(watch, mbufs.size()));

  std::array<std::vector<double>, kWatches.size()> cycles, ratios;
  constexpr uint32_t kWarmUp = 1;
  for (uint32_t repeat = 0; repeat < kWarmUp + options.repeats; ++repeat) {
    std::array<double, kWatches.size()> round{};
    for (size_t turn = 0; turn < kWatches.size(); ++turn) {
      size_t index = (repeat + turn) % kWatches.size();  // none always goes first
      Watcher& watcher = *watchers[index];
      traffic.prepare(Kind::kWhole);
      gateway.sink.packets.clear();
      mailbox.post(kWatches[index] == Watch::kNothing ? nullptr : watcher.plan());
      gateway.path->flush();  // adopts it
      round[index] = time_pass(traffic, gateway, what.direction, options.burst, kTracedPiece);
      if (std::string wrong = traffic.check(Kind::kWhole, gateway.sink.packets); !wrong.empty()) return Error{wrong};
      size_t entries = watcher.empty();
      if (!is_expected(kWatches[index], entries, mbufs.size()))
        return Error{std::string(kNames[index]) + ": the trace saw " + std::to_string(entries) + " packets"};
    }
    if (repeat < kWarmUp) continue;
    for (size_t i = 0; i < kWatches.size(); ++i) {
      cycles[i].push_back(round[i]);
      ratios[i].push_back(round[i] / round[0]);
    }
  }
  TraceCost cost{what, {}, {}};
  for (size_t i = 0; i < kWatches.size(); ++i) {
    cost.cycles[i] = figure_of(cycles[i]);
    cost.ratios[i] = figure_of(ratios[i]);
  }
  return cost;
}

void print_tracing(const std::vector<TraceCost>& rows, bool json) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  if (!json)
    std::printf(
        "Cycles per packet of the whole path, and beside them how many times those without a trace.\n\n"
        "dir  cipher             size  sessions   nobody        drops    every 1000th            all  all, bytes\n");
  for (const TraceCost& row : rows) {
    nlohmann::ordered_json entry = {{"direction", to_text(row.what.direction)},
                                    {"cipher", to_text(row.what.cipher)},
                                    {"size", size_text(row.what.size)},
                                    {"sessions", row.what.sessions}};
    if (!json)
      std::printf("%-4s %-17s %5s %9u", to_text(row.what.direction).c_str(), to_text(row.what.cipher).c_str(),
                  size_text(row.what.size).c_str(), row.what.sessions);
    for (size_t i = 0; i < kWatches.size(); ++i) {
      std::string name = kNames[i];
      entry[name + "_cycles"] = row.cycles[i].median;
      entry[name + "_ratio"] = row.ratios[i].median;
      entry[name + "_ratio_spread"] = row.ratios[i].spread;
      if (!json && i == 0) std::printf(" %8.1f", row.cycles[i].median);
      if (!json && i > 0) std::printf(" %7.1f %.3f", row.cycles[i].median, row.ratios[i].median);
    }
    all.push_back(std::move(entry));
    if (!json) std::printf("\n");
  }
  if (json) std::printf("%s\n", all.dump(2).c_str());
}

}  // namespace culvert::perf
