#include <algorithm>

#include "dataplane/steps/steps.h"

namespace culvert::steps {
namespace {

using abi::DropReason;
using session::ReplayVerdict;

Verdict judge(const session::ReceiveKey& key, uint64_t packet_id) {
  switch (key.window.check(packet_id)) {
    case ReplayVerdict::kDuplicate:
      return Verdict::drop(DropReason::replay_duplicate);
    case ReplayVerdict::kTooOld:
      return Verdict::drop(DropReason::replay_too_old);
    case ReplayVerdict::kGap:
      return Verdict::drop(DropReason::replay_gap);
    case ReplayVerdict::kFresh:
      break;
  }
  return Verdict::go_on();
}

Verdict check_one(Packet& packet, PathContext& context) {
  session::ReceiveKey& key = *packet.key;
  Verdict verdict = judge(key, packet.packet_id);
  if (!verdict.goes_on()) [[unlikely]] {
    break_stream(packet, context);
    return verdict;
  }
  key.window.commit(packet.packet_id);
  // At once, not with the counters: a dataplane that takes over after a crash must not accept this packet again.
  // Late packets of the epoch before don't take it back.
  auto& seen = context.table->record(*packet.session).keys[packet.key_id].highest_seen;
  seen.store(std::max(seen.load(std::memory_order_relaxed), key.window.highest()), std::memory_order_relaxed);

  session::ReceiveState& state = packet.session->receive;
  state.last_ns = context.now_ns;
  if (packet.length >= wire::kSmallestInnerPacket) [[likely]] {
    ++state.packets;
    state.bytes += packet.length;
  }
  if (!key.used) [[unlikely]] {
    key.used = true;
    context.events.first_use(*packet.session, packet.key_id);
  }
  if (key.count_opened(packet.length)) [[unlikely]]
    context.events.near_limit(*packet.session, packet.key_id);
  return Verdict::go_on();
}

}  // namespace

void check_replay(Burst& burst, PathContext& context) {
  burst.each([&](Packet& packet) { return check_one(packet, context); });
}

}  // namespace culvert::steps
