#include "perf/bench_path/trace_cost.h"

#include <cstdio>

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

  auto time = [&](size_t i) -> Result<double> {
    Watcher& watcher = *watchers[i];
    traffic.prepare(Kind::kWhole);
    gateway.sink.packets.clear();
    mailbox.post(kWatches[i] == Watch::kNothing ? nullptr : watcher.plan());
    gateway.path->flush();  // adopts it
    double cycles = time_pass(traffic, gateway, what.direction, options.burst, kTracedPiece);
    if (std::string wrong = traffic.check(Kind::kWhole, gateway.sink.packets); !wrong.empty()) return Error{wrong};
    size_t entries = watcher.empty();
    if (!is_expected(kWatches[i], entries, mbufs.size()))
      return Error{std::string(kNames[i]) + ": the trace saw " + std::to_string(entries) + " packets"};
    return cycles;
  };
  return in_turns<kWatches.size()>(what, options.repeats, time,
                                   [](const auto& round, size_t i) { return round[i] / round[0]; });
}

void print_tracing(const std::vector<TraceCost>& rows, bool json) {
  print_costs(
      rows, kNames,
      "Cycles per packet of the whole path, and beside them how many times those without a trace.\n\n"
      "dir  cipher             size  sessions   nobody        drops    every 1000th            all  all, bytes\n",
      json, [](double cycles, double ratio, size_t i) {
        std::array<char, 32> text{};
        if (i == 0)
          std::snprintf(text.data(), text.size(), " %8.1f", cycles);
        else
          std::snprintf(text.data(), text.size(), " %7.1f %.3f", cycles, ratio);
        return std::string(text.data());
      });
}

}  // namespace culvert::perf
