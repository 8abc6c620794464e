#include "dataplane/steps/handoff.h"

#include <utility>

namespace culvert::steps {

using abi::Counter;
using abi::DropReason;
using abi::RingStatus;

HandoffRings::HandoffRings(uint32_t workers) : workers_(workers) {
  for (uint32_t from = 0; from < workers; ++from)
    for (uint32_t to = 0; to < workers; ++to) rings_.push_back(from == to ? nullptr : std::make_unique<Ring>());
}

HandoffRings::~HandoffRings() {
  for (const auto& ring : rings_) {
    if (!ring) continue;
    abi::Consumer rest(*ring);
    rte_mbuf* packet = nullptr;
    while (rest.pop(packet) == RingStatus::kOk) rte_pktmbuf_free(packet);
  }
}

Handoff::Handoff(HandoffRings* rings, uint32_t worker, abi::Tally& tally) : worker_(worker), tally_(tally) {
  for (uint32_t other = 0; rings != nullptr && other < rings->workers(); ++other)
    others_.push_back(other == worker ? nullptr : std::make_unique<Other>(*rings, worker, other));
}

Handoff::~Handoff() {
  for (auto& other : others_)
    if (other) rte_pktmbuf_free_bulk(other->staged.data(), static_cast<unsigned>(other->count));
}

void Handoff::send(Other& other) {
  size_t sent = 0;
  while (sent < other.count && other.to.push(other.staged[sent]) == RingStatus::kOk) ++sent;
  tally_.add(Counter::handed_over_packets, sent);
  if (sent < other.count) {
    tally_.drop(DropReason::handoff_full, other.count - sent);
    rte_pktmbuf_free_bulk(&other.staged[sent], static_cast<unsigned>(other.count - sent));
  }
  other.count = 0;
  other.told = true;
}

uint64_t Handoff::flush() {
  uint64_t asleep = 0;
  for (uint32_t worker = 0; worker < others_.size(); ++worker) {
    if (worker == worker_) continue;
    Other& other = *others_[worker];
    if (other.count > 0) send(other);
    if (std::exchange(other.told, false) && other.to.must_wake()) asleep |= uint64_t{1} << worker;
  }
  return asleep;
}

size_t Handoff::receive(std::span<rte_mbuf*> out) {
  size_t count = 0;
  for (size_t i = 0; i < others_.size() && count < out.size(); ++i) {
    uint32_t from = next_;
    next_ = next_ + 1 == others_.size() ? 0 : next_ + 1;
    if (from == worker_) continue;
    while (count < out.size() && others_[from]->from.pop(out[count]) == RingStatus::kOk) ++count;
  }
  tally_.add(Counter::taken_over_packets, count);
  return count;
}

bool Handoff::prepare_to_sleep() {
  for (const auto& other : others_) {
    if (!other || other->from.prepare_to_sleep()) continue;
    awake();
    return false;
  }
  return true;
}

void Handoff::awake() {
  for (const auto& other : others_)
    if (other) other->from.awake();
}

}  // namespace culvert::steps
