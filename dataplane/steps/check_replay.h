// Refuses packet-ids that were seen or are too old, and remembers the others. Notes that the peer is alive and has the
// key. From here on a packet is authentic and new.
#pragma once

#include <algorithm>

#include "dataplane/steps/step.h"

namespace culvert::steps {

struct CheckReplay {
  static constexpr StepName kName{"check_replay"};

  Verdict operator()(Packet& packet, PathContext& context) const {
    session::ReceiveKey& key = *packet.key;
    if (!key.window.take_next(packet.packet_id)) [[unlikely]] {
      if (Verdict verdict = take_other(packet, context); !verdict.goes_on()) return verdict;
    }
    // At once, not with the counters: a dataplane that takes over after a crash must not accept this packet again.
    // Late packets of the epoch before don't take it back.
    std::atomic<uint64_t>& seen = *key.seen;
    seen.store(std::max(seen.load(std::memory_order_relaxed), key.window.highest()), std::memory_order_relaxed);

    session::ReceiveState& state = packet.session->receive;
    state.last_ns = context.now_ns;
    if (packet.length >= wire::kSmallestInnerPacket) [[likely]] {
      ++state.packets;
      state.bytes += packet.length;
    }
    if (!key.used) [[unlikely]]
      note_first_use(packet, context);
    if (key.count_opened(packet.length)) [[unlikely]]
      context.events.near_limit(*packet.session, packet.key_id);
    return Verdict::go_on();
  }

 private:
  /// What is not the packet-id after the highest so far: lost ones in between, late, or seen.
  static Verdict take_other(const Packet& packet, PathContext& context);
  static void note_first_use(const Packet& packet, PathContext& context);
};
inline constexpr CheckReplay check_replay;

}  // namespace culvert::steps
