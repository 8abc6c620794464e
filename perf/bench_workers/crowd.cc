#include "perf/bench_workers/crowd.h"

#include <rte_cycles.h>
#include <rte_launch.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "dataplane/crypto/engine.h"
#include "dataplane/packet.h"
#include "dataplane/wire/ip.h"
#include "perf/bench_path/sessions.h"

namespace culvert::perf {
namespace {

constexpr uint32_t kBurst = 32;
constexpr uint64_t kNow = 1'000'000'000;

template <class T>
T must(Result<T> made) {
  if (!made) {
    std::fprintf(stderr, "bench_workers: %s\n", made.error().c_str());
    std::exit(1);
  }
  return std::move(*made);
}

}  // namespace

Crowd::Crowd(const Settings& settings, rte_mempool* pool)
    : settings_(settings), pool_(pool), link_(abi::layout_for(settings.workers, settings.sessions).total_size) {
  abi::LinkView link(link_.get(), settings.workers, settings.sessions);
  if (settings.workers > 1) rings_ = std::make_unique<steps::HandoffRings>(settings.workers);
  for (uint32_t worker = 0; worker < settings.workers; ++worker) {
    Side& side = *sides_.emplace_back(std::make_unique<Side>());
    side.crowd = this;
    side.worker = worker;
    side.aead = must(aead::make_engine());
    side.path = must(dataplane::Path::make(link, worker, pool, *side.aead, {}, rings_.get()));
    side.path->set_outer_port(0, &side.sink);
    for (uint32_t peer_id = 0; peer_id < settings.sessions; ++peer_id) {
      uint32_t owner = peer_id % settings.workers;
      abi::Command install = session_command(peer_id);
      install.owner = static_cast<uint16_t>(owner);
      side.path->apply(install, kNow);
      (owner == worker ? side.own : side.others).push_back(peer_id);
      abi::Command key = key_command(abi::Cipher::kAes256Gcm, peer_id);
      if (owner == worker) side.path->apply(key, kNow);
    }
  }
}

/// Writes what the path reads of an inner packet: the rest of it may be anything.
void Crowd::fill(Side& side, rte_mbuf* packet, uint32_t number) const {
  packet->data_off = kHeadroom;
  packet->data_len = static_cast<uint16_t>(settings_.size);
  packet->pkt_len = settings_.size;
  bool elsewhere = !side.others.empty() && number * 37 % 100 < settings_.elsewhere;
  const std::vector<uint32_t>& among = elsewhere ? side.others : side.own;
  auto& ip = *rte_pktmbuf_mtod(packet, wire::Ipv4Header*);
  ip = {};
  ip.version_and_words = 0x45;
  ip.total_length.set(static_cast<uint16_t>(settings_.size));
  ip.ttl = 64;
  ip.protocol = 17;
  ip.source = {192, 0, 2, 1};
  uint32_t to = inner_address(among[number % among.size()]);
  for (size_t i = 0; i < 4; ++i) ip.destination[i] = static_cast<uint8_t>(to >> (24 - 8 * i));
}

int Crowd::work(void* argument) {
  Side& side = *static_cast<Side*>(argument);
  Crowd& crowd = *side.crowd;
  std::array<rte_mbuf*, kBurst> packets;
  auto sealed = [&] { return side.path->tally().counters[static_cast<size_t>(abi::Counter::sealed_packets)]; };
  ++crowd.ready_;
  while (crowd.ready_.load(std::memory_order_relaxed) < crowd.settings_.workers) rte_pause();
  uint64_t before = sealed(), started = rte_rdtsc();
  for (uint32_t number = 0; !crowd.stop_.load(std::memory_order_relaxed);) {
    if (rte_pktmbuf_alloc_bulk(crowd.pool_, packets.data(), kBurst) == 0) {
      for (rte_mbuf* packet : packets) crowd.fill(side, packet, number++);
      side.path->inner_burst(packets, kNow);
    }
    side.path->take_handed(kNow);
    side.path->flush();
  }
  side.cycles = rte_rdtsc() - started;
  side.sealed = sealed() - before;
  return 0;
}

Result<double> Crowd::run(const std::vector<unsigned>& lcores, uint32_t milliseconds) {
  ready_ = 0;
  stop_ = false;
  for (size_t i = 0; i < sides_.size(); ++i)
    if (rte_eal_remote_launch(work, sides_[i].get(), lcores[i]) != 0) return Error{"an lcore is busy"};
  rte_delay_us_sleep(milliseconds * 1000);
  stop_ = true;
  for (size_t i = 0; i < sides_.size(); ++i) rte_eal_wait_lcore(lcores[i]);
  double rate = 0;
  for (auto& side : sides_) {
    // What the others have left, so that its buffers come back.
    while (side->path->take_handed(kNow) > 0) side->path->flush();
    const abi::Tally& tally = side->path->tally();
    for (size_t i = 0; i < abi::kDropReasonCount; ++i)
      if (tally.drops[i] != 0 && static_cast<abi::DropReason>(i) != abi::DropReason::handoff_full)
        return Error{std::string("packets were dropped: ") + std::string(abi::kDropInfo[i].name)};
    rate += static_cast<double>(side->sealed) /
            (static_cast<double>(side->cycles) / static_cast<double>(rte_get_tsc_hz())) / 1e6;
  }
  return rate;
}

}  // namespace culvert::perf
