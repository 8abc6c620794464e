#include "dataplane/steps/handoff.h"

namespace culvert::steps {

using abi::Counter;
using abi::DropReason;

Result<std::unique_ptr<HandoffRings>> HandoffRings::make(uint32_t workers) {
  std::unique_ptr<HandoffRings> made(new HandoffRings(workers));
  const ssize_t size = rte_ring_get_memsize(kRoom);
  for (uint32_t from = 0; from < workers; ++from) {
    for (uint32_t to = 0; to < workers; ++to) {
      auto& ring = made->rings_.emplace_back();
      if (from == to) continue;
      // Not DPDK's memory: rings there have names, which two dataplanes in one process would share.
      void* memory = size > 0 ? std::aligned_alloc(RTE_CACHE_LINE_SIZE, static_cast<size_t>(size)) : nullptr;
      if (memory == nullptr) return Error{"no memory for the rings between workers: name fewer workers"};
      ring.reset(static_cast<rte_ring*>(memory));
      if (rte_ring_init(ring.get(), "handoff", kRoom, RING_F_SP_ENQ | RING_F_SC_DEQ) != 0)
        return Error{"the rings between workers can't be made"};
    }
  }
  return made;
}

HandoffRings::~HandoffRings() {
  for (const auto& ring : rings_) {
    void* packet = nullptr;
    while (ring && rte_ring_sc_dequeue(ring.get(), &packet) == 0) rte_pktmbuf_free(static_cast<rte_mbuf*>(packet));
  }
}

Handoff::Handoff(HandoffRings* rings, uint32_t worker, abi::Tally& tally)
    : rings_(rings), worker_(worker), tally_(tally), staged_(rings ? rings->workers() : 0) {}

Handoff::~Handoff() {
  for (Staged& staged : staged_) rte_pktmbuf_free_bulk(staged.packets.data(), static_cast<unsigned>(staged.count));
}

void Handoff::send(uint32_t worker) {
  Staged& staged = staged_[worker];
  auto count = static_cast<unsigned>(staged.count);
  auto* const* objects = reinterpret_cast<void* const*>(staged.packets.data());
  unsigned sent = rte_ring_sp_enqueue_burst(rings_->between(worker_, worker), objects, count, nullptr);
  tally_.add(Counter::handed_over_packets, sent);
  if (sent < count) {
    tally_.drop(DropReason::handoff_full, count - sent);
    rte_pktmbuf_free_bulk(&staged.packets[sent], count - sent);
  }
  staged.count = 0;
  told_ |= uint64_t{1} << worker;
}

uint64_t Handoff::flush() {
  for (uint32_t worker = 0; worker < staged_.size(); ++worker)
    if (staged_[worker].count > 0) send(worker);
  if (told_ == 0) return 0;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  uint64_t asleep = 0;
  for (uint32_t worker = 0; worker < staged_.size(); ++worker) {
    if ((told_ >> worker & 1) == 0) continue;
    std::atomic<uint32_t>& waiting = rings_->readers_[worker].waiting;
    if (waiting.load(std::memory_order_relaxed) != 0 && waiting.exchange(0, std::memory_order_acq_rel) != 0)
      asleep |= uint64_t{1} << worker;
  }
  told_ = 0;
  return asleep;
}

size_t Handoff::receive(std::span<rte_mbuf*> out) {
  size_t count = 0;
  for (uint32_t i = 0; i < staged_.size() && count < out.size(); ++i) {
    uint32_t from = next_;
    next_ = next_ + 1 == staged_.size() ? 0 : next_ + 1;
    if (from == worker_) continue;
    count += rte_ring_sc_dequeue_burst(rings_->between(from, worker_), reinterpret_cast<void**>(&out[count]),
                                       static_cast<unsigned>(out.size() - count), nullptr);
  }
  tally_.add(Counter::taken_over_packets, count);
  return count;
}

bool Handoff::is_empty() const {
  for (uint32_t from = 0; from < staged_.size(); ++from)
    if (from != worker_ && rte_ring_empty(rings_->between(from, worker_)) == 0) return false;
  return true;
}

bool Handoff::prepare_to_sleep() {
  if (is_alone()) return true;
  rings_->readers_[worker_].waiting.store(1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (is_empty()) return true;
  awake();
  return false;
}

void Handoff::awake() {
  if (!is_alone()) rings_->readers_[worker_].waiting.store(0, std::memory_order_relaxed);
}

}  // namespace culvert::steps
