// The packets that a step works on, and what the steps before have learned of each.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/abi/counters.h"
#include "dataplane/session/session.h"
#include "dataplane/steps/ahead.h"
#include "dataplane/steps/handed.h"
#include "dataplane/steps/trace.h"
#include "dataplane/wire/ip.h"
#include "dataplane/wire/openvpn.h"

namespace culvert::steps {

inline constexpr size_t kBurst = 64;  ///< packets worked on together; a larger receive burst is cut

/// One packet, in one cache line. `data` and `length` are the truth while it is in the burst; the mbuf gets them when
/// the packet leaves.
struct alignas(64) Packet {
  rte_mbuf* mbuf;
  uint8_t* data;
  uint64_t packet_id;         ///< of its data packet; set by open (which may have to decrypt it) or seal
  session::Session* session;  ///< on the way in the one it came from (between classify and find_session: where it is if
                              ///< it lives), on the way out the one it goes to; null: not known yet
  session::ReceiveKey* key;   ///< on the way in
  uint32_t length;
  wire::Opcode opcode;  ///< on the way in
  uint8_t key_id;
  bool moved;    ///< on the way in: does not come from where its session's peer is (or was, at find_session)
  uint8_t note;  ///< where somebody who watches keeps what he saw of it; only in a burst that is watched

  // Of the inner packet, from check_inner on, until something is put in front of it.
  uint8_t ip_version;  ///< 4 or 6
  uint8_t protocol;
  uint16_t ip_header_length;  ///< bytes
  bool later_fragment;

  Handed handed;         ///< by another worker
  uint32_t route_begun;  ///< look-up of its destination (Routes::begin_find)

  std::span<uint8_t> bytes() const { return {data, length}; }
  /// Inner addresses, 4 or 16 bytes.
  const uint8_t* source() const {
    return data + (ip_version == 4 ? offsetof(wire::Ipv4Header, source) : offsetof(wire::Ipv6Header, source));
  }
  const uint8_t* destination() const {
    return data + (ip_version == 4 ? offsetof(wire::Ipv4Header, destination) : offsetof(wire::Ipv6Header, destination));
  }
};
static_assert(sizeof(Packet) == 64);

/// What a step says of a packet: it goes on, it has been taken (sent, punted, freed: not the burst's any more), or it
/// is dropped for a reason.
class Verdict {
 public:
  static constexpr Verdict go_on() { return Verdict(-1); }
  static constexpr Verdict taken() { return Verdict(-2); }
  static constexpr Verdict drop(abi::DropReason reason) { return Verdict(static_cast<int16_t>(reason)); }

  constexpr bool goes_on() const { return code_ == -1; }
  constexpr bool is_drop() const { return code_ >= 0; }
  constexpr abi::DropReason reason() const { return static_cast<abi::DropReason>(code_); }

 private:
  constexpr explicit Verdict(int16_t code) : code_(code) {}
  int16_t code_;
};

class Burst {
 public:
  explicit Burst(abi::Tally& tally) : tally_(tally) {}

  bool full() const { return size_ == kBurst; }
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  std::span<Packet> packets() { return {packets_.data(), size_}; }

  /// Adds a packet that nothing is known of. Not when full().
  Packet& add(rte_mbuf* mbuf, Handed handed = Handed::kNo) {
    Packet& packet = packets_[size_++];
    packet.mbuf = mbuf;
    packet.data = rte_pktmbuf_mtod(mbuf, uint8_t*);
    packet.length = mbuf->data_len;
    packet.session = nullptr;
    packet.handed = handed;
    return packet;
  }

  /// Every pass over this burst fetches a little of what comes next. `ahead` outlives the burst.
  void fetch_beside(Ahead* ahead) { ahead_ = ahead; }

  /// `trace` is told what becomes of the packets: of those that are dropped, and with `noted` also of the others, as
  /// far as their Packet::note, which it has set in all, is not Trace::kNotNoted.
  void watch(Trace* trace, bool noted) {
    trace_ = trace;
    noted_ = noted;
  }

  /// Asks `steps` for a verdict on every packet, in order: each packet goes through one step after another until one of
  /// them drops or takes it. Those that go on stay, in the same order. Dropped packets are counted, also for their
  /// session, and freed. A step is `Verdict operator()(Packet&, Context&)` with a StepName kName.
  ///
  /// Noted packets go apart, each where it stands, when one of the steps concerns who watches: what does not concern
  /// him must not run slower, and his code is not in the CPU's caches.
  template <class Context, class... Steps>
  [[gnu::flatten]] void each(Context& context, Steps... steps) {
    Packet* kept = packets_.data();
    Packet* packet = kept;
    Packet* const end = kept + size_;
    auto keep_if = [&kept](const Packet& from, bool stays) {
      if (!stays) return;
      if (kept != &from) [[unlikely]]
        *kept = from;
      ++kept;
    };
    constexpr bool kWatched = (Steps::kName.is_watched() || ...);
    while (true) {
      for (const Packet* stop = kWatched && noted_ ? next_noted(packet, end) : end; packet != stop; ++packet) {
        advance_at(*packet);
        keep_if(*packet, (goes_on(*packet, context, steps) && ...));
      }
      if (packet == end) [[likely]]
        break;
      keep_if(*packet, goes_on_watched(*packet, context, steps...));
      ++packet;
    }
    size_ = static_cast<size_t>(kept - packets_.data());
  }

 private:
  /// Fetches what the packet's place in the burst says is due.
  void advance_at(const Packet& packet) const {
    if (reinterpret_cast<uintptr_t>(&packet) % (sizeof(Packet) * Ahead::kStride) == 0 && ahead_ != nullptr)
      ahead_->advance();
  }

  template <class Context, class Step>
  bool goes_on(Packet& packet, Context& context, Step& step) {
    Verdict verdict = step(packet, context);
    if (verdict.is_drop()) [[unlikely]]
      drop(packet, verdict.reason(), Step::kName);
    return verdict.goes_on();
  }

  /// The first one from `from` on, or `end`.
  [[gnu::noinline, gnu::cold]] static Packet* next_noted(Packet* from, Packet* end) {
    while (from != end && from->note == Trace::kNotNoted) ++from;
    return from;
  }

  /// Asks as goes_on() does, of a noted packet.
  template <class Context, class... Steps>
  [[gnu::noinline, gnu::cold]] bool goes_on_watched(Packet& packet, Context& context, Steps&... steps) {
    advance_at(packet);
    return (watched_step(packet, context, steps) && ...);
  }

  template <class Context, class Step>
  bool watched_step(Packet& packet, Context& context, Step& step) {
    if constexpr (Step::kName.is_looked_at()) trace_->look(packet, Step::kName);
    Verdict verdict = step(packet, context);
    if (verdict.is_drop())
      drop(packet, verdict.reason(), Step::kName);
    else if (!verdict.goes_on())
      trace_->taken(packet, Step::kName);
    return verdict.goes_on();
  }

  [[gnu::noinline, gnu::cold]] void drop(Packet& packet, abi::DropReason reason, const StepName& step) {
    if (trace_ != nullptr) {
      if (!noted_) packet.note = Trace::kNotNoted;
      trace_->dropped(packet, reason, step);
    }
    tally_.drop(reason);
    if (packet.session != nullptr) ++packet.session->receive.drops;
    rte_pktmbuf_free(packet.mbuf);
  }

  abi::Tally& tally_;
  Ahead* ahead_ = nullptr;
  Trace* trace_ = nullptr;
  bool noted_ = false;
  size_t size_ = 0;
  std::array<Packet, kBurst> packets_;
};

}  // namespace culvert::steps
