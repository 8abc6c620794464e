#include "perf/bench_path/measure.h"

#include <rte_cycles.h>

#include <algorithm>

#include "perf/bench_path/idle_engine.h"

namespace culvert::perf {

Figure figure_of(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  auto at = [&](double part) { return samples[static_cast<size_t>(part * static_cast<double>(samples.size() - 1))]; };
  return {at(0.5), (at(0.75) - at(0.25)) / 2};
}

namespace {

// A pass is timed in pieces, and the median piece counts: what the machine does between two of them (another process,
// an interrupt) is no cost of the path.
template <class T, class Work>
double cycles_per_packet(std::span<T> packets, uint32_t burst, size_t piece, Work work) {
  std::vector<double> pieces;
  size_t at = 0;
  while (at < packets.size()) {
    size_t piece_start = at;
    uint64_t start = rte_rdtsc_precise();
    while (at < packets.size() && at - piece_start < piece) {
      auto part = packets.subspan(at, std::min<size_t>(burst, packets.size() - at));
      work(part);
      at += part.size();
    }
    uint64_t cycles = rte_rdtsc_precise() - start;
    pieces.push_back(static_cast<double>(cycles) / static_cast<double>(at - piece_start));
  }
  return figure_of(pieces).median;
}

void send(Gateway& gateway, Direction direction, std::span<rte_mbuf* const> packets) {
  constexpr uint64_t kNow = 1;
  if (direction == Direction::kInnerToOuter)
    gateway.path->inner_burst(packets, kNow);
  else
    gateway.path->outer_burst(packets, kNow);
  gateway.path->flush();
}

double run(Kind kind, Traffic& traffic, Gateway& gateway, aead::Engine& raw, Direction direction, uint32_t burst) {
  if (kind == Kind::kRaw) return time_engine(traffic, raw, direction, burst);
  return time_pass(traffic, gateway, direction, burst, kPiece);
}

}  // namespace

double time_pass(Traffic& traffic, Gateway& gateway, Direction direction, uint32_t burst, size_t piece) {
  return cycles_per_packet(traffic.mbufs(), burst, piece,
                           [&](std::span<rte_mbuf* const> packets) { send(gateway, direction, packets); });
}

Status start_sessions(const Case& what, Kind kind, Traffic& traffic, Gateway& gateway, uint32_t burst) {
  for (size_t first = 0; first < what.sessions; first += traffic.mbufs().size()) {
    traffic.prepare_in_turn(kind, static_cast<uint32_t>(first));
    gateway.sink.packets.clear();
    for (auto rest = traffic.mbufs(); !rest.empty();) {
      auto packets = rest.first(std::min<size_t>(burst, rest.size()));
      rest = rest.subspan(packets.size());
      send(gateway, what.direction, packets);
      gateway.read_events();
    }
    if (std::string wrong = traffic.check(kind, gateway.sink.packets); !wrong.empty()) return Error{wrong};
  }
  return {};
}

double time_engine(Traffic& traffic, aead::Engine& engine, Direction direction, uint32_t burst) {
  bool outbound = direction == Direction::kInnerToOuter;
  return cycles_per_packet(traffic.jobs(), burst, kPiece,
                           [&](std::span<aead::Job> jobs) { outbound ? engine.seal(jobs) : engine.open(jobs); });
}

Result<Row> measure(const Case& what, const Options& options, aead::Engine& raw, aead::Engine& engine,
                    rte_mempool* pool, const std::vector<rte_mbuf*>& mbufs) {
  IdleEngine of_path(engine);
  Gateway gateway(what, of_path, pool, mbufs.size());
  Traffic traffic(what, raw, mbufs);
  if (auto started = start_sessions(what, Kind::kWhole, traffic, gateway, options.burst); !started)
    return Error{started.error()};

  std::array<std::vector<double>, kKinds.size()> samples;
  std::vector<double> ratios;
  constexpr uint32_t kWarmUp = 1;
  for (uint32_t repeat = 0; repeat < kWarmUp + options.repeats; ++repeat) {
    for (size_t turn = 0; turn < kKinds.size(); ++turn) {
      Kind kind = kKinds[(repeat + turn) % kKinds.size()];  // none always goes first
      of_path.set_idle(kind == Kind::kPathOnly);
      traffic.prepare(kind);
      gateway.sink.packets.clear();
      double cycles = run(kind, traffic, gateway, raw, what.direction, options.burst);
      if (std::string wrong = traffic.check(kind, gateway.sink.packets); !wrong.empty()) return Error{wrong};
      if (repeat < kWarmUp) continue;
      samples[static_cast<size_t>(kind)].push_back(cycles);
    }
    if (repeat >= kWarmUp) ratios.push_back(samples[0].back() / samples[2].back());
  }
  return Row{what,
             options.burst,
             figure_of(samples[0]),
             figure_of(samples[1]),
             figure_of(samples[2]),
             figure_of(ratios).median};
}

}  // namespace culvert::perf
