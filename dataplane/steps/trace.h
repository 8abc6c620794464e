// A worker's eye on packets: what became of each that fits a filter goes into a ring (abi/trace.h) that the operator's
// command reads. Steps don't know of it: Burst tells.
//
// When nobody asks, it costs one load per poll pass and a branch per burst. When somebody does, packets that are looked
// at are noted before steps that may take them; the others cost nothing more, and a packet that is dropped is still
// whole when it is written down.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <span>

#include "dataplane/abi/counters.h"
#include "dataplane/abi/trace.h"
#include "dataplane/steps/step_name.h"

namespace culvert::session {
class Table;
struct Session;
}  // namespace culvert::session

namespace culvert::steps {

class Burst;
struct Packet;

/// One worker's part of a trace. Made by the main thread, which changes nothing once it is posted.
struct TracePlan {
  abi::TraceRequest what;      ///< valid
  abi::TraceWriter ring;       ///< the worker's own from now on
  std::span<uint8_t> scratch;  ///< one burst's packets, kBurst × what.snap bytes: the worker's own likewise
};

/// Between the main thread and one worker, as PortMailbox is.
class TraceMailbox {
 public:
  /// Main thread. `plan` (null: nobody traces) lives until another one has been adopted.
  void post(TracePlan* plan) { posted_.store(plan, std::memory_order_release); }
  bool is_adopted() const {
    return adopted_.load(std::memory_order_acquire) == posted_.load(std::memory_order_relaxed);
  }
  /// Worker: what is to be used from now on.
  TracePlan* posted() const { return posted_.load(std::memory_order_acquire); }
  /// Worker: it uses no other plan any more.
  void adopt(TracePlan* plan) { adopted_.store(plan, std::memory_order_release); }

 private:
  alignas(64) std::atomic<TracePlan*> posted_{nullptr};   // writer: main thread
  alignas(64) std::atomic<TracePlan*> adopted_{nullptr};  // writer: worker
};

class Trace {
 public:
  static constexpr uint8_t kNotNoted = 0xFF;         ///< Packet::note
  static constexpr uint64_t kLookEvery = 1'000'000;  ///< ns between two looks for drops that no step saw

  /// `tally` and `table` are the worker's and outlive this.
  Trace(const abi::Tally& tally, session::Table& table) : tally_(tally), table_(table) {}

  /// Where plans come from; null (as it is at the start): nowhere. Outlives this.
  void follow(TraceMailbox* mailbox) { mailbox_ = mailbox; }
  /// Once per poll pass, with no packet under way.
  void between_passes(uint64_t now_ns) {
    if (mailbox_ == nullptr) return;
    TracePlan* posted = mailbox_->posted();
    if (posted != plan_) [[unlikely]]
      adopt(posted);
    if (plan_ != nullptr && now_ns - looked_ns_ >= kLookEvery) [[unlikely]]
      tell_other_drops(now_ns);
  }

  bool is_on() const { return plan_ != nullptr; }
  /// Packets of `burst` have come in `direction` (a trace_direction bit): chooses those to note. Only when is_on().
  void begin(Burst& burst, uint8_t direction, uint64_t now_ns);

  /// A packet of control is about to be sent; it went through no step. Left out by traces of every Nth packet, which
  /// count in bursts. Only when is_on().
  void sent_control(const rte_mbuf* mbuf, uint64_t now_ns);

  // Burst calls these.

  /// Before `step`, one that is_looked_at(), works on a noted packet.
  void look(const Packet& packet, const StepName& step);
  /// A noted packet was taken by `step`: it is not to be touched any more.
  void taken(const Packet& packet, const StepName& step);
  /// A packet is about to be counted and freed.
  void dropped(const Packet& packet, abi::DropReason reason, const StepName& step);

 private:
  /// What is remembered of a noted packet, as far as its way has shown.
  struct Note {
    abi::TraceEntry entry;
    const session::Session* session;  ///< the first one known
  };

  void adopt(TracePlan* plan);
  void tell_other_drops(uint64_t now_ns);
  Note& clear(uint8_t index);
  std::span<uint8_t> bytes_of(uint8_t index) const;
  /// Learns what there is to learn of a packet that is whole.
  void observe(const Packet& packet, StepName step, Note& note, std::span<const uint8_t>& bytes) const;
  /// Writes the note down if it fits the filter.
  void tell(const Packet& packet, Note& note, std::span<const uint8_t> bytes, uint16_t reason, StepName step);
  bool fits(const Packet& packet, const Note& note) const;
  bool is_wanted(const session::Session* session) const;
  bool comes_from_wanted(const abi::Endpoint& remote) const;

  const abi::Tally& tally_;
  session::Table& table_;
  TraceMailbox* mailbox_ = nullptr;
  TracePlan* plan_ = nullptr;
  uint64_t now_ns_ = 0;
  uint64_t looked_ns_ = 0;
  uint8_t direction_ = 0;       ///< of the burst that is worked on
  uint64_t until_next_ = 0;     ///< packets (or drops) to leave out before the next that is looked at
  abi::Tally seen_;             ///< drops that have been told, or counted by dropped()
  std::array<Note, 64> notes_;  ///< of the burst that is worked on, by Packet::note
};

}  // namespace culvert::steps
