// Packets that arrived at one worker and belong to a session of another.
//
// Contract. One ring for each ordered pair of workers: the first writes, the second reads, a burst at a time, so
// packets of one flow stay in order. An mbuf in a ring belongs to the reader. Nobody waits: what finds its ring full is
// dropped and counted. `waiting`, one for each worker, is written by the reader when it is about to sleep, and taken
// back by the writer that will wake it; both sides order it against the rings with a full fence, as abi/spsc_ring.h
// does.
#pragma once

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/abi/counters.h"
#include "dataplane/abi/layout.h"
#include "dataplane/abi/result.h"

namespace culvert::steps {

/// The rings of all workers of a dataplane. Made before the workers start, outlives them.
class HandoffRings {
 public:
  static constexpr uint32_t kRoom = 2048;  ///< packets in one ring: some hundred microseconds of one worker's work

  /// For `workers` workers, at least two. Error: no memory.
  static Result<std::unique_ptr<HandoffRings>> make(uint32_t workers);
  /// Frees what is still in the rings: a worker that ended first did not read it. No worker may run any more.
  ~HandoffRings();

  uint32_t workers() const { return workers_; }

 private:
  friend class Handoff;
  struct alignas(64) Reader {
    std::atomic<uint32_t> waiting{0};
  };
  struct Free {
    void operator()(rte_ring* ring) const { std::free(ring); }
  };
  explicit HandoffRings(uint32_t workers) : workers_(workers), readers_(workers) {}
  rte_ring* between(uint32_t from, uint32_t to) const { return rings_[from * workers_ + to].get(); }

  uint32_t workers_;
  std::vector<std::unique_ptr<rte_ring, Free>> rings_;  ///< by writer, then reader; none from a worker to itself
  std::vector<Reader> readers_;
};

/// One worker's end of them.
class Handoff {
 public:
  /// `rings` null: there is no other worker.
  Handoff(HandoffRings* rings, uint32_t worker, abi::Tally& tally);
  ~Handoff();
  Handoff(const Handoff&) = delete;
  Handoff& operator=(const Handoff&) = delete;

  bool is_alone() const { return rings_ == nullptr; }

  /// Takes over a packet for `worker`, another one, until flush().
  void stage(uint32_t worker, rte_mbuf* packet) {
    Staged& staged = staged_[worker];
    staged.packets[staged.count++] = packet;
    if (staged.count == staged.packets.size()) send(worker);
  }
  /// Hands over what was staged. Returns the workers that sleep and must be woken, a bit for each: once per pass.
  uint64_t flush();

  /// Takes packets that others have handed over, from each of them in turn. Returns how many.
  size_t receive(std::span<rte_mbuf*> out);

  /// Announces sleep. False (and nothing announced): packets are there already.
  bool prepare_to_sleep();
  void awake();

 private:
  static_assert(abi::kMaxWorkers <= 64, "flush() names them by bits");
  struct Staged {
    size_t count = 0;
    std::array<rte_mbuf*, 64> packets;
  };

  void send(uint32_t worker);
  bool is_empty() const;

  HandoffRings* rings_;
  uint32_t worker_;
  abi::Tally& tally_;
  std::vector<Staged> staged_;  ///< by worker
  uint64_t told_ = 0;           ///< workers that packets went to since the last flush()
  uint32_t next_ = 0;           ///< whose turn it is to be read first
};

}  // namespace culvert::steps
