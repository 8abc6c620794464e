// Reads the opcode. Control packets go to control; data packets go on when their header is whole.
#pragma once

#include "dataplane/steps/step.h"

namespace culvert::steps {

struct Classify {
  static constexpr StepName kName{"classify"};

  Verdict operator()(Packet& packet, PathContext& context) const {
    if (packet.mbuf->nb_segs != 1) [[unlikely]]
      return Verdict::drop(DropReason::outer_too_long);
    constexpr auto kCode = static_cast<uint8_t>(wire::Opcode::kDataV2);
    if (packet.length < sizeof(wire::DataV2Header) || packet.data[0] >> 3 != kCode) [[unlikely]]
      return other(packet, context);
    packet.opcode = wire::Opcode::kDataV2;
    packet.key_id = packet.data[0] & wire::kKeyIdMask;
    if (session::Session* slot = context.table->slot_of(peer_id_of(packet)); slot != nullptr) [[likely]] {
      __builtin_prefetch(&slot->receive.last_ns, 1);
      __builtin_prefetch(&slot->where);
      packet.session = slot;
    }
    return Verdict::go_on();
  }

 private:
  /// What is no whole DATA_V2 packet.
  static Verdict other(Packet& packet, PathContext& context);
};
inline constexpr Classify classify;

}  // namespace culvert::steps
