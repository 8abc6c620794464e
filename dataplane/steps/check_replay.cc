#include "dataplane/steps/check_replay.h"

namespace culvert::steps {
namespace {

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

}  // namespace

Verdict CheckReplay::take_other(const Packet& packet, PathContext& context) {
  Verdict verdict = judge(*packet.key, packet.packet_id);
  if (verdict.goes_on())
    packet.key->window.commit(packet.packet_id);
  else
    break_stream(packet, context);
  return verdict;
}

void CheckReplay::note_first_use(const Packet& packet, PathContext& context) {
  packet.key->used = true;
  context.events.first_use(*packet.session, packet.key_id);
}

}  // namespace culvert::steps
