// Packets that arrived at one worker and belong to a session of another: one ring (abi/spsc_ring.h, whose contract
// holds) for each ordered pair of workers, so packets of one flow stay in order. An mbuf in a ring belongs to the
// reader. Nobody waits: what finds its ring full is dropped and counted.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/abi/counters.h"
#include "dataplane/abi/layout.h"
#include "dataplane/abi/spsc_ring.h"
#include "dataplane/steps/handed.h"

namespace culvert::steps {

/// The rings of all workers of a dataplane. Made before the workers start, outlives them.
class HandoffRings {
 public:
  static constexpr uint64_t kRoom = 2048;  ///< packets in one ring: some hundred microseconds of one worker's work
  using Ring = abi::SpscRing<HandedPacket, kRoom>;

  /// For `workers` workers, two at least.
  explicit HandoffRings(uint32_t workers);
  /// Frees what is still in the rings: a worker that ended first did not read it. No worker may run any more.
  ~HandoffRings();
  HandoffRings(const HandoffRings&) = delete;
  HandoffRings& operator=(const HandoffRings&) = delete;

  uint32_t workers() const { return workers_; }
  Ring& between(uint32_t from, uint32_t to) { return *rings_[from * workers_ + to]; }

 private:
  uint32_t workers_;
  std::vector<std::unique_ptr<Ring>> rings_;  ///< by writer, then reader; none from a worker to itself
};

/// Packets that were handed over, in the order of each worker that did.
class TakenPackets {
 public:
  /// In one go. 128 cost a tenth of the rate where all packets are handed over (perf/bench_workers).
  static constexpr size_t kMost = 64;

  size_t size() const { return outer_count_ + inner_count_; }
  bool full() const { return size() == kMost; }
  void add(HandedPacket packet) {
    (packet.as() == Handed::kOuter ? outer_[outer_count_++] : inner_[inner_count_++]) = packet.packet();
  }
  std::span<rte_mbuf* const> outer() const { return {outer_.data(), outer_count_}; }
  std::span<rte_mbuf* const> inner() const { return {inner_.data(), inner_count_}; }

 private:
  size_t outer_count_ = 0;
  size_t inner_count_ = 0;
  std::array<rte_mbuf*, kMost> outer_;
  std::array<rte_mbuf*, kMost> inner_;
};

/// One worker's end of them.
class Handoff {
 public:
  /// `rings` null: there is no other worker.
  Handoff(HandoffRings* rings, uint32_t worker, abi::Tally& tally);
  ~Handoff();
  Handoff(const Handoff&) = delete;
  Handoff& operator=(const Handoff&) = delete;

  bool is_alone() const { return others_.empty(); }

  /// Takes over a packet for `worker`, another one, until flush().
  void stage(uint32_t worker, rte_mbuf* packet, Handed as) {
    Other& other = *others_[worker];
    other.staged[other.count++] = {packet, as};
    if (other.count == other.staged.size()) send(other);
  }
  /// Hands over what was staged. Returns the workers that sleep and must be woken, a bit for each: once per pass.
  uint64_t flush();

  /// Takes packets that others have handed over, from each of them in turn, until `out` is full.
  void receive(TakenPackets& out);

  /// Announces sleep to all others. False (and nothing announced): packets are there already.
  bool prepare_to_sleep();
  void awake();

 private:
  static_assert(abi::kMaxWorkers <= 64, "flush() names them by bits");
  struct Other {
    Other(HandoffRings& rings, uint32_t self, uint32_t other)
        : to(rings.between(self, other)), from(rings.between(other, self)) {}
    abi::Producer<HandedPacket, HandoffRings::kRoom> to;
    abi::Consumer<HandedPacket, HandoffRings::kRoom> from;
    bool told = false;  ///< packets went there since the last flush()
    size_t count = 0;
    std::array<HandedPacket, 64> staged;
  };

  void send(Other& other);

  uint32_t worker_;
  abi::Tally& tally_;
  std::vector<std::unique_ptr<Other>> others_;  ///< by worker; null for this one
  uint32_t next_ = 0;                           ///< whose turn it is to be read first
};

}  // namespace culvert::steps
