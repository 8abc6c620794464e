#include "dataplane/steps/handoff.h"

#include <utility>

namespace culvert::steps {

using abi::Counter;
using abi::DropReason;
using abi::RingStatus;

namespace {

void free_all(std::span<const HandedPacket> packets) {
  for (const HandedPacket& each : packets) rte_pktmbuf_free(each.packet());
}

}  // namespace

HandoffRings::HandoffRings(uint32_t workers) : workers_(workers) {
  for (uint32_t from = 0; from < workers; ++from)
    for (uint32_t to = 0; to < workers; ++to) rings_.push_back(from == to ? nullptr : std::make_unique<Ring>());
}

HandoffRings::~HandoffRings() {
  for (const auto& ring : rings_) {
    if (!ring) continue;
    abi::Consumer rest(*ring);
    HandedPacket handed;
    while (rest.pop(handed) == RingStatus::kOk) rte_pktmbuf_free(handed.packet());
  }
}

Handoff::Handoff(HandoffRings* rings, uint32_t worker, abi::Tally& tally) : worker_(worker), tally_(tally) {
  for (uint32_t other = 0; rings != nullptr && other < rings->workers(); ++other)
    others_.push_back(other == worker ? nullptr : std::make_unique<Other>(*rings, worker, other));
}

Handoff::~Handoff() {
  for (auto& other : others_)
    if (other) free_all(std::span(other->staged).first(other->count));
}

void Handoff::send(Other& other) {
  size_t sent = 0;
  while (sent < other.count && other.to.push(other.staged[sent]) == RingStatus::kOk) ++sent;
  tally_.add(Counter::handed_over_packets, sent);
  if (sent < other.count) {
    tally_.drop(DropReason::handoff_full, other.count - sent);
    free_all(std::span(other.staged).first(other.count).subspan(sent));
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

void Handoff::receive(TakenPackets& out) {
  const size_t before = out.size();
  HandedPacket handed;
  for (size_t i = 0; i < others_.size() && !out.full(); ++i) {
    uint32_t from = next_;
    next_ = next_ + 1 == others_.size() ? 0 : next_ + 1;
    if (from == worker_) continue;
    while (!out.full() && others_[from]->from.pop(handed) == RingStatus::kOk) out.add(handed);
  }
  tally_.add(Counter::taken_over_packets, out.size() - before);
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
