// Counter blocks in the link: one per worker, one for control. Each has one writer; readers see each value whole.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "dataplane/abi/drop_reasons.h"

namespace culvert::abi {

enum class Counter : uint16_t {
#define CULVERT_COUNTER(name, side, text) name,
#include "dataplane/abi/counters.def"
#undef CULVERT_COUNTER
};

struct CounterInfo {
  std::string_view name;
  DropSide side;
  std::string_view text;
};

inline constexpr std::array kCounterInfo = {
#define CULVERT_COUNTER(name, side, text) CounterInfo{#name, DropSide::side, text},
#include "dataplane/abi/counters.def"
#undef CULVERT_COUNTER
};
inline constexpr size_t kCounterCount = kCounterInfo.size();

/// Private tally of one thread: plain integers, added to on the packet path, published to a CounterBlock now and then.
struct Tally {
  std::array<uint64_t, kCounterCount> counters{};
  std::array<uint64_t, kDropReasonCount> drops{};

  void add(Counter counter, uint64_t n = 1) { counters[static_cast<size_t>(counter)] += n; }
  void drop(DropReason reason, uint64_t n = 1) { drops[static_cast<size_t>(reason)] += n; }
};

inline constexpr size_t kCounterSlots = 64;  ///< room for counters.def to grow without moving what follows
inline constexpr size_t kDropSlots = 128;    ///< likewise for drop_reasons.def
static_assert(kCounterCount <= kCounterSlots && kDropReasonCount <= kDropSlots);

/// Shared counters. Writer: the worker (or control) that owns the block. Readers: control, the CLI.
struct alignas(64) CounterBlock {
  std::array<std::atomic<uint64_t>, kCounterSlots> counters;
  std::array<std::atomic<uint64_t>, kDropSlots> drops;

  /// Makes the tally visible. Called by the owner only; values only grow within one life of the owner.
  void publish(const Tally& tally) {
    for (size_t i = 0; i < kCounterCount; ++i) counters[i].store(tally.counters[i], std::memory_order_relaxed);
    for (size_t i = 0; i < kDropReasonCount; ++i) drops[i].store(tally.drops[i], std::memory_order_relaxed);
  }
  /// Reads all values; each is whole, together they may be a few packets apart.
  Tally read() const {
    Tally tally;
    for (size_t i = 0; i < kCounterCount; ++i) tally.counters[i] = counters[i].load(std::memory_order_relaxed);
    for (size_t i = 0; i < kDropReasonCount; ++i) tally.drops[i] = drops[i].load(std::memory_order_relaxed);
    return tally;
  }
};

}  // namespace culvert::abi
