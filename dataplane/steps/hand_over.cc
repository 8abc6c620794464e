#include "dataplane/packet.h"
#include "dataplane/steps/steps.h"

namespace culvert::steps {
namespace {

using abi::DropReason;

Verdict hand_one(const Packet& packet, Handed as, PathContext& context) {
  if (context.table->owns(*packet.session)) [[likely]]
    return Verdict::go_on();
  PacketMeta& about = meta(packet.mbuf);
  // Two workers that disagree on the owner, while control tells them one after the other, must not play ball with it.
  if (about.handed >= as) return Verdict::drop(DropReason::handoff_stale);
  about.handed = as;
  settle(packet);
  context.handoff.stage(packet.session->where.owner, packet.mbuf);
  return Verdict::taken();
}

}  // namespace

void hand_over(Burst& burst, Handed as, PathContext& context) {
  if (context.handoff.is_alone()) return;
  burst.each([&](Packet& packet) { return hand_one(packet, as, context); });
}

}  // namespace culvert::steps
