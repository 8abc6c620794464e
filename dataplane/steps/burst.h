// The packets that a step works on, and what the steps before have learned of each.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>
#include <source_location>
#include <span>

#include "dataplane/abi/counters.h"
#include "dataplane/session/session.h"
#include "dataplane/steps/ahead.h"
#include "dataplane/steps/trace.h"
#include "dataplane/wire/ip.h"
#include "dataplane/wire/openvpn.h"

namespace culvert::steps {

inline constexpr size_t kBurst = 64;  ///< packets worked on together; a larger receive burst is cut

/// One packet. `data` and `length` are the truth while it is in the burst; the mbuf gets them when the packet leaves.
struct Packet {
  rte_mbuf* mbuf;
  uint8_t* data;
  uint32_t length;
  uint64_t packet_id;  ///< of its data packet; set by open (which may have to decrypt it) or seal
  session::Session*
      session;  ///< on the way in the one it came from, on the way out the one it goes to; null: not known yet
  session::ReceiveKey* key;  ///< on the way in
  wire::IpView ip;           ///< of the inner packet, from check_inner on
  wire::Opcode opcode;       ///< on the way in
  uint8_t key_id;
  uint8_t note;  ///< where somebody who watches keeps what he saw of it; only in a burst that is watched

  std::span<uint8_t> bytes() const { return {data, length}; }
};

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
  Packet& add(rte_mbuf* mbuf) {
    Packet& packet = packets_[size_++];
    packet.mbuf = mbuf;
    packet.data = rte_pktmbuf_mtod(mbuf, uint8_t*);
    packet.length = mbuf->data_len;
    packet.session = nullptr;
    return packet;
  }

  /// Every pass over this burst fetches a little of what comes next. `ahead` outlives the burst.
  void fetch_beside(Ahead* ahead) { ahead_ = ahead; }

  /// `trace` is told what becomes of the packets: of those that are dropped, and with `noted` also of the others, whose
  /// Packet::note it has set.
  void watch(Trace* trace, bool noted) {
    trace_ = trace;
    noted_ = noted;
  }

  /// Asks `step(Packet&)` for a verdict on every packet, in order; those that go on stay, in the same order. Dropped
  /// packets are counted, also for their session, and freed. `where` names the calling step to who watches.
  template <class Step>
  void each(Step step, std::source_location where = std::source_location::current()) {
    if (noted_) [[unlikely]]
      trace_->look(packets(), where);
    if (ahead_ != nullptr) ahead_->advance();
    size_t kept = 0;
    for (size_t i = 0; i < size_; ++i) {
      Verdict verdict = step(packets_[i]);
      if (verdict.goes_on()) [[likely]] {
        if (kept != i) packets_[kept] = packets_[i];
        ++kept;
      } else if (verdict.is_drop()) {
        drop(packets_[i], verdict.reason(), where);
      } else if (noted_) [[unlikely]] {
        trace_->taken(packets_[i], where);
      }
    }
    size_ = kept;
  }

 private:
  void drop(Packet& packet, abi::DropReason reason, const std::source_location& where) {
    if (trace_ != nullptr) [[unlikely]] {
      if (!noted_) packet.note = Trace::kNotNoted;
      trace_->dropped(packet, reason, where);
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
