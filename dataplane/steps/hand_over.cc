#include "dataplane/steps/hand_over.h"

namespace culvert::steps {

Verdict HandOver::to_owner(Packet& packet, PathContext& context) const {
  if (context.handoff.is_alone()) return Verdict::go_on();
  // Two workers that disagree on the owner, while control tells them one after the other, must not play ball with it.
  if (packet.handed >= as) return Verdict::drop(DropReason::handoff_stale);
  settle(packet);
  context.handoff.stage(packet.session->where.owner, packet.mbuf, as);
  return Verdict::taken();
}

}  // namespace culvert::steps
